// One table per verb says what it takes. The tables feed the parser, --help, the shells'
// completions and docs/cli.md, so that these cannot disagree.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk::cli {

enum class ValueKind {
  kFlag,    // --json, and --no-json to take it back
  kInt,     // within [min, max]; without a max an int
  kReal,    // within [min, max]
  kText,    // any bytes
  kFile,    // a path
  kChoice,  // one of the words that `value` lists: "fp32|high|fast"
};

struct OptionSpec {
  std::string_view name;  // "top-k": --top-k
  char letter = 0;        // 'n': -n
  ValueKind kind = ValueKind::kFlag;
  std::string_view value = {};     // what help calls the value: "N"
  std::string_view fallback = {};  // the value when nobody gives one; empty: none
  std::string_view help = {};
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::string_view env = {};  // the environment variable that speaks when the flag does not
  bool repeats = false;       // every occurrence counts, not only the last
};

struct OptionGroup {
  std::string_view title;
  std::vector<OptionSpec> options;
  bool brief = false;  // --help only names these; `help VERB --all` explains them
};

// What an argument without dashes is: what completion offers for it.
enum class ArgumentKind { kModel, kFile, kVerb, kShell, kText };

struct ArgumentSpec {
  std::string_view name;  // "MODEL"
  ArgumentKind kind;
  bool required = true;
  bool repeats = false;  // the last one only
};

struct Context;

struct Verb {
  std::string_view name;
  std::string_view alias;    // "ls", or empty
  std::string_view group;    // heading of the verb in `pronk --help`
  std::string_view summary;  // one line, lower case
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionGroup> groups;  // without the global ones
  std::string_view notes;           // after the options: examples, what is read and written
  Status (*run)(Context&);
};

// The flags that every verb takes: --help, --quiet, --debug, --color.
const OptionGroup& global_options();

// The option of that long name, or letter, of the verb or global; nullptr when there is none.
const OptionSpec* find_option(const Verb& verb, std::string_view name);
const OptionSpec* find_option(const Verb& verb, char letter);

// The values of one command line. A name that is in no table of the verb is our bug.
class Options {
 public:
  // `args`: what follows the verb. Errors: kInvalidArgument naming the flag, with the nearest one
  // that exists. The verb outlives the Options.
  static Result<Options> parse(const Verb& verb, std::span<const std::string> args);

  // As if --name=value were given once more; the same errors.
  Status set(std::string_view name, const std::string& value);

  bool given(std::string_view name) const;  // on the command line or in the environment
  bool flag(std::string_view name) const;
  // With a fallback in the table:
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  std::string text(std::string_view name) const;
  // Without:
  std::optional<std::int64_t> find_integer(std::string_view name) const;
  std::optional<double> find_real(std::string_view name) const;
  std::optional<std::string> find_text(std::string_view name) const;
  const std::vector<std::string>& texts(std::string_view name) const;  // of a repeating option

  const std::vector<std::string>& arguments() const { return arguments_; }
  // The i-th argument, or empty.
  std::string argument(std::size_t i) const { return i < arguments_.size() ? arguments_[i] : ""; }

 private:
  explicit Options(const Verb& verb) : verb_(&verb) {}
  Status add(const OptionSpec& option, std::string value, std::string_view shown_as);
  Status parse_long(std::string_view arg, std::span<const std::string>& rest);
  Status parse_short(std::string_view arg, std::span<const std::string>& rest);
  Status read_environment();
  Status check_arguments() const;

  const Verb* verb_;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> arguments_;
};

// Numbers as a command line has them: the whole text, or nothing.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_real(std::string_view text);

}  // namespace pronk::cli
