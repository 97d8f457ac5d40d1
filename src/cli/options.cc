#include "cli/options.h"
#include "text/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace pronk::cli {
namespace {

Error usage_error(const Verb& verb, std::string_view what) {
  return error(Code::kInvalidArgument,
               fmt::format("{}: {}; see 'pronk help {}'", verb.name, what, verb.name));
}

// Calls f for every option that the verb takes, global ones last.
template <class F>
void for_each_option(const Verb& verb, F f) {
  for (const OptionGroup& group : verb.groups)
    for (const OptionSpec& option : group.options) f(option);
  for (const OptionSpec& option : global_options().options) f(option);
}

const OptionSpec& known_option(const Verb& verb, std::string_view name) {
  const OptionSpec* option = find_option(verb, name);
  PRONK_CHECK(option != nullptr, "a verb asked for an option that is not in its table");
  return *option;
}

std::optional<bool> parse_bool(std::string_view text) {
  for (std::string_view yes : {"1", "true", "on", "yes", "enabled"})
    if (text == yes) return true;
  for (std::string_view no : {"0", "false", "off", "no", "disabled"})
    if (text == no) return false;
  return std::nullopt;
}

// What is wrong with the value for this option; empty when nothing is.
std::string complaint(const OptionSpec& option, const std::string& value) {
  switch (option.kind) {
    case ValueKind::kFlag:
      return parse_bool(value) ? "" : "needs no value, or one of true, false";
    case ValueKind::kInt:
    case ValueKind::kReal: {
      const bool whole = option.kind == ValueKind::kInt;
      std::optional<double> number = parse_real(value);
      if (whole && !parse_integer(value)) number.reset();
      if (!number) return whole ? "needs a whole number" : "needs a number";
      const bool open_end = std::isinf(option.max);
      const double max = whole && open_end ? std::numeric_limits<int>::max() : option.max;
      if (*number >= option.min && *number <= max) return "";
      if (*number < option.min && open_end) return fmt::format("needs at least {}", option.min);
      return fmt::format("needs a number from {} to {}", option.min, max);
    }
    case ValueKind::kText:
      return "";
    case ValueKind::kFile:
      return value.empty() ? "needs a path" : "";
    case ValueKind::kChoice:
      for (std::string_view rest = option.value;;) {
        const std::size_t bar = rest.find('|');
        if (value == rest.substr(0, bar)) return "";
        if (bar == std::string_view::npos) break;
        rest.remove_prefix(bar + 1);
      }
      return fmt::format("needs one of {}", option.value);
  }
  return "";
}

}  // namespace

const OptionGroup& global_options() {
  static const OptionGroup group = {
      "Everywhere",
      {
          {.name = "help", .letter = 'h', .help = "show this help"},
          {.name = "quiet", .letter = 'q', .help = "no progress and no notes on stderr"},
          {.name = "debug", .help = "say more, and where in the source an error was made"},
          {.name = "color",
           .kind = ValueKind::kChoice,
           .value = "auto|always|never",
           .fallback = "auto",
           .help = "colours on a terminal (also NO_COLOR, CLICOLOR_FORCE)"},
      }};
  return group;
}

const OptionSpec* find_option(const Verb& verb, std::string_view name) {
  const OptionSpec* found = nullptr;
  for_each_option(verb, [&](const OptionSpec& option) {
    if (!found && option.name == name) found = &option;
  });
  return found;
}

const OptionSpec* find_option(const Verb& verb, char letter) {
  const OptionSpec* found = nullptr;
  for_each_option(verb, [&](const OptionSpec& option) {
    if (!found && option.letter == letter) found = &option;
  });
  return found;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<double> parse_real(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || stop != end || std::isnan(value)) return std::nullopt;
  return value;
}

Result<Options> Options::parse(const Verb& verb, std::span<const std::string> args) {
  Options options(verb);
  while (!args.empty()) {
    const std::string& arg = args.front();
    args = args.subspan(1);
    if (arg == "--") {
      options.arguments_.insert(options.arguments_.end(), args.begin(), args.end());
      break;
    }
    if (arg.starts_with("--")) {
      PRONK_TRY(options.parse_long(std::string_view(arg).substr(2), args));
    } else if (arg.size() > 1 && arg[0] == '-') {
      PRONK_TRY(options.parse_short(std::string_view(arg).substr(1), args));
    } else {
      options.arguments_.push_back(arg);
    }
  }
  if (options.flag("help")) return options;  // what else is missing does not matter then
  PRONK_TRY(options.read_environment());
  PRONK_TRY(options.check_arguments());
  return options;
}

Status Options::parse_long(std::string_view arg, std::span<const std::string>& rest) {
  const std::size_t equals = arg.find('=');
  const std::string_view name = arg.substr(0, equals);
  const std::string shown = fmt::format("--{}", name);
  if (const OptionSpec* option = find_option(*verb_, name)) {
    if (equals != std::string_view::npos)
      return add(*option, std::string(arg.substr(equals + 1)), shown);
    if (option->kind == ValueKind::kFlag) return add(*option, "true", shown);
    if (rest.empty()) return usage_error(*verb_, fmt::format("{} needs a value", shown));
    const std::string value = rest.front();
    rest = rest.subspan(1);
    return add(*option, value, shown);
  }
  if (name.starts_with("no-") && equals == std::string_view::npos)
    if (const OptionSpec* option = find_option(*verb_, name.substr(3));
        option && option->kind == ValueKind::kFlag)
      return add(*option, "false", shown);
  std::vector<std::string> names;
  for_each_option(*verb_, [&](const OptionSpec& option) { names.emplace_back(option.name); });
  const std::optional<std::string> near = nearest(name, names);
  return usage_error(*verb_, fmt::format("unknown option '{}'{}", shown,
                                         near ? fmt::format(", did you mean '--{}'?", *near) : ""));
}

Status Options::parse_short(std::string_view arg, std::span<const std::string>& rest) {
  const std::string shown = fmt::format("-{}", arg[0]);
  const OptionSpec* option = find_option(*verb_, arg[0]);
  if (!option) return usage_error(*verb_, fmt::format("unknown option '-{}'", arg));
  std::string_view after = arg.substr(1);
  if (option->kind == ValueKind::kFlag) {
    PRONK_TRY(add(*option, "true", shown));
    return after.empty() ? Status(Ok{}) : parse_short(after, rest);  // -qh is -q -h
  }
  if (after.starts_with('=')) after.remove_prefix(1);
  if (!after.empty()) return add(*option, std::string(after), shown);
  if (rest.empty()) return usage_error(*verb_, fmt::format("{} needs a value", shown));
  const std::string value = rest.front();
  rest = rest.subspan(1);
  return add(*option, value, shown);
}

Status Options::add(const OptionSpec& option, std::string value, std::string_view shown_as) {
  if (const std::string wrong = complaint(option, value); !wrong.empty())
    return usage_error(*verb_, fmt::format("{} {}, found '{}'", shown_as, wrong, value));
  std::vector<std::string>& values = values_[std::string(option.name)];
  if (!option.repeats) values.clear();
  values.push_back(std::move(value));
  return Ok{};
}

Status Options::read_environment() {
  Status status = Ok{};
  for_each_option(*verb_, [&](const OptionSpec& option) {
    if (option.env.empty() || values_.contains(option.name) || !status) return;
    const char* value = std::getenv(std::string(option.env).c_str());
    if (value && *value) status = add(option, value, fmt::format("environment {}", option.env));
  });
  return status;
}

Status Options::check_arguments() const {
  const std::vector<ArgumentSpec>& specs = verb_->arguments;
  const auto num_required = static_cast<std::size_t>(
      std::count_if(specs.begin(), specs.end(), [](const ArgumentSpec& s) { return s.required; }));
  if (arguments_.size() < num_required)
    return usage_error(*verb_, fmt::format("{} is missing", specs[arguments_.size()].name));
  const bool open_end = !specs.empty() && specs.back().repeats;
  if (arguments_.size() > specs.size() && !open_end)
    return usage_error(*verb_,
                       fmt::format("'{}' is one argument too many", arguments_[specs.size()]));
  return Ok{};
}

Status Options::set(std::string_view name, const std::string& value) {
  const std::vector<std::string> words = {fmt::format("--{}={}", name, value)};
  std::span<const std::string> none;
  return parse_long(std::string_view(words[0]).substr(2), none);
}

bool Options::given(std::string_view name) const {
  known_option(*verb_, name);
  return values_.contains(name);
}

bool Options::flag(std::string_view name) const {
  const std::optional<std::string> value = find_text(name);
  return value && parse_bool(*value).value_or(false);
}

std::int64_t Options::integer(std::string_view name) const {
  const std::optional<std::int64_t> value = find_integer(name);
  PRONK_CHECK(value.has_value(), "an option without a fallback was taken for one with");
  return *value;
}

double Options::real(std::string_view name) const {
  const std::optional<double> value = find_real(name);
  PRONK_CHECK(value.has_value(), "an option without a fallback was taken for one with");
  return *value;
}

std::string Options::text(std::string_view name) const { return find_text(name).value_or(""); }

std::optional<std::int64_t> Options::find_integer(std::string_view name) const {
  const std::optional<std::string> value = find_text(name);
  return value ? parse_integer(*value) : std::nullopt;
}

std::optional<double> Options::find_real(std::string_view name) const {
  const std::optional<std::string> value = find_text(name);
  return value ? parse_real(*value) : std::nullopt;
}

std::optional<std::string> Options::find_text(std::string_view name) const {
  const OptionSpec& option = known_option(*verb_, name);
  const auto found = values_.find(name);
  if (found != values_.end()) return found->second.back();
  if (option.fallback.empty()) return std::nullopt;
  return std::string(option.fallback);
}

const std::vector<std::string>& Options::texts(std::string_view name) const {
  static const std::vector<std::string> none;
  known_option(*verb_, name);
  const auto found = values_.find(name);
  return found == values_.end() ? none : found->second;
}

}  // namespace pronk::cli
