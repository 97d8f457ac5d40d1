// Where a verb writes: results to stdout, everything else to stderr.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "text/json.h"

namespace pronk::cli {

enum class Style { kBold, kDim, kRed, kGreen, kYellow, kCyan };

struct ConsoleOptions {
  bool quiet = false;
  bool debug = false;
  std::string color = "auto";  // "always", "never"
};

// What colours depend on, as the environment has it.
struct ColorEnvironment {
  bool is_tty = false;
  bool no_color = false;       // NO_COLOR is set and not empty
  bool force_color = false;    // CLICOLOR_FORCE or FORCE_COLOR is set and neither empty nor "0"
  bool dumb_terminal = false;  // TERM is "dumb" or not set
};
bool wants_color(const std::string& choice, const ColorEnvironment& environment);

// One per program. A write to stdout that fails is remembered: whoever produces much looks at
// output_failed() now and then, and main() turns it into the exit status. One thread at a time.
class Console {
 public:
  explicit Console(const ConsoleOptions& options = {});
  ~Console();

  void print(std::string_view bytes);         // to stdout, buffered
  void print_json(const json::value& value);  // and a newline
  void flush();
  bool output_failed() const { return output_errno_ != 0; }
  bool pipe_closed() const;      // the reader of stdout went away
  Status output_status() const;  // kFailed, kResourceExhausted (a full disk)

  void note(std::string_view line);       // to stderr, unless --quiet
  void warn(std::string_view line);       // to stderr, always
  void debug(std::string_view line);      // to stderr, with --debug
  void raw_note(std::string_view bytes);  // to stderr as it is: progress, prompts

  std::string paint(Style style, std::string_view text) const;       // for stdout
  std::string paint_note(Style style, std::string_view text) const;  // for stderr
  bool stdout_is_tty() const { return stdout_is_tty_; }
  bool stderr_is_tty() const { return stderr_is_tty_; }
  bool quiet() const { return options_.quiet; }
  bool debugging() const { return options_.debug; }
  bool plain_terminal() const { return dumb_; }  // no cursor movements
  int width() const;                             // columns: $COLUMNS, the terminal's, or 80

 private:
  ConsoleOptions options_;
  bool stdout_is_tty_, stderr_is_tty_, dumb_, color_out_, color_note_;
  std::string buffer_;
  int output_errno_ = 0;
};

// A message on one line, without control characters: it may quote bytes of a file or of a server.
std::string one_line(std::string_view message);

// Columns that UTF-8 text takes on a terminal: wide characters two, combining ones none.
int display_width(std::string_view text);

// Rows of cells as aligned columns, two spaces between, each cell as one_line makes it; the first
// row is the heading. Columns named in `right` (0-based) are flush right.
std::string format_table(std::vector<std::vector<std::string>> rows,
                         const std::vector<int>& right = {});

}  // namespace pronk::cli
