#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <cwchar>

#include "text/utf8.h"

namespace pronk::cli {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

bool is_on(const char* name) {
  const char* value = std::getenv(name);
  return value && *value && std::string_view(value) != "0";
}

bool terminal_is_dumb() {
  const char* term = std::getenv("TERM");
  return !term || !*term || std::string_view(term) == "dumb";
}

ColorEnvironment color_environment(bool is_tty) {
  return {.is_tty = is_tty,
          .no_color = is_set("NO_COLOR"),
          .force_color = is_on("CLICOLOR_FORCE") || is_on("FORCE_COLOR"),
          .dumb_terminal = terminal_is_dumb()};
}

// Writes all bytes; 0 or the errno that stopped it.
int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

std::string painted(bool on, Style style, std::string_view text) {
  if (!on) return std::string(text);
  constexpr const char* kCodes[] = {"1", "2", "31", "32", "33", "36"};
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<int>(style)], text);
}

}  // namespace

bool wants_color(const std::string& choice, const ColorEnvironment& environment) {
  if (choice != "auto") return choice == "always";
  if (environment.no_color) return false;
  if (environment.force_color) return true;
  return environment.is_tty && !environment.dumb_terminal;
}

Console::Console(const ConsoleOptions& options)
    : options_(options),
      stdout_is_tty_(::isatty(STDOUT_FILENO) == 1),
      stderr_is_tty_(::isatty(STDERR_FILENO) == 1),
      dumb_(terminal_is_dumb()),
      color_out_(wants_color(options.color, color_environment(stdout_is_tty_))),
      color_note_(wants_color(options.color, color_environment(stderr_is_tty_))) {}

Console::~Console() { flush(); }

void Console::print(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Console::print_json(const json::value& value) { print(write_json(value) + "\n"); }

void Console::flush() {
  if (!output_failed()) output_errno_ = write_all(STDOUT_FILENO, buffer_);
  buffer_.clear();
}

bool Console::pipe_closed() const { return output_errno_ == EPIPE; }

Status Console::output_status() const {
  if (!output_failed()) return Ok{};
  const bool full = output_errno_ == ENOSPC || output_errno_ == EDQUOT || output_errno_ == EFBIG;
  return error(full ? Code::kResourceExhausted : Code::kFailed,
               fmt::format("write to stdout: {}{}", std::strerror(output_errno_),
                           full ? "; free some space and run it again" : ""));
}

void Console::note(std::string_view line) {
  if (!options_.quiet) raw_note(one_line(line) + "\n");
}

void Console::warn(std::string_view line) { raw_note(fmt::format("{}\n", line)); }

void Console::debug(std::string_view line) {
  if (options_.debug) raw_note(fmt::format("debug: {}\n", line));
}

void Console::raw_note(std::string_view bytes) {
  flush();  // what was printed before comes before
  write_all(STDERR_FILENO, bytes);
}

std::string Console::paint(Style style, std::string_view text) const {
  return painted(color_out_, style, text);
}

std::string Console::paint_note(Style style, std::string_view text) const {
  return painted(color_note_, style, text);
}

int Console::width() const {
  constexpr int kUsual = 80;
  if (const char* columns = std::getenv("COLUMNS"))
    if (const int n = std::atoi(columns); n > 0) return n;
  for (const int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return kUsual;
}

std::string one_line(std::string_view message) {
  constexpr std::size_t kMaxBytes = 4000;
  return printable(message, kMaxBytes);
}

int display_width(std::string_view text) {
  int columns = 0;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t c = 0;
    std::size_t n = std::mbrtowc(&c, text.data(), text.size(), &state);
    if (n == 0 || n > text.size()) {  // NUL, or no character of this locale: one column a byte
      state = {};
      n = 1;
      ++columns;
    } else {
      columns += std::max(0, ::wcwidth(c));
    }
    text.remove_prefix(n);
  }
  return columns;
}

std::string format_table(std::vector<std::vector<std::string>> rows,
                         const std::vector<int>& right) {
  std::vector<int> widths;
  for (auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = one_line(row[i]);
      if (i >= widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(static_cast<std::size_t>(widths[i] - display_width(row[i])), ' ');
      const bool flush_right =
          std::find(right.begin(), right.end(), static_cast<int>(i)) != right.end();
      line += flush_right ? padding + row[i] : row[i] + padding;
      if (i + 1 < row.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace pronk::cli
