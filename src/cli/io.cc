#include "cli/io.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <cwchar>
#include <cwctype>
#include <limits>

#include "cli/options.h"
#include "cli/signals.h"

namespace pronk::cli {
namespace {

constexpr std::string_view kSeparators = " \t\r\n,";

}  // namespace

bool stdin_is_tty() { return ::isatty(STDIN_FILENO) == 1; }

Result<std::string> read_stdin(std::size_t max_bytes) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(Code::kFailed, fmt::format("read stdin: {}", std::strerror(errno)));
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > max_bytes)
      return error(Code::kResourceExhausted,
                   fmt::format("read stdin: more than {} bytes; give a shorter text", max_bytes));
  }
}

Result<std::vector<TokenId>> parse_ids(std::string_view text) {
  const auto trim = [&] {
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators), text.size()));
    text.remove_suffix(text.size() - (text.find_last_not_of(kSeparators) + 1));
  };
  trim();
  if (text.starts_with('[')) {
    if (!text.ends_with(']'))
      return error(Code::kInvalidArgument, "token ids: '[' without its ']'; end the array");
    text = text.substr(1, text.size() - 2);
    trim();
  }
  std::vector<TokenId> ids;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find_first_of(kSeparators));
    const std::optional<std::int64_t> id = parse_integer(word);
    if (!id || *id < 0 || *id > std::numeric_limits<TokenId>::max())
      return error(Code::kInvalidArgument,
                   fmt::format("token ids: '{}' is none; give whole numbers separated by spaces, "
                               "commas or newlines, or a JSON array",
                               escape_bytes(word.substr(0, 40))));
    ids.push_back(static_cast<TokenId>(*id));
    text.remove_prefix(word.size());
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators), text.size()));
  }
  return ids;
}

std::string escape_bytes(std::string_view bytes) {
  std::string out;
  std::mbstate_t state{};
  while (!bytes.empty()) {
    wchar_t c = 0;
    std::size_t n = std::mbrtowc(&c, bytes.data(), bytes.size(), &state);
    if (n == 0 || n > bytes.size() || !std::iswprint(static_cast<wint_t>(c))) {
      state = {};
      n = 1;
      const auto byte = static_cast<unsigned char>(bytes[0]);
      out += byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : fmt::format("\\x{:02x}", byte);
    } else {
      out += bytes[0] == '\\' ? "\\\\" : bytes.substr(0, n);
    }
    bytes.remove_prefix(n);
  }
  return out;
}

void leave_nothing_behind(const std::filesystem::path& out) {
  std::error_code ignored;
  std::filesystem::remove_all(fmt::format("{}.partial-{}", out.string(), ::getpid()), ignored);
  ::_exit(128 + noted_signal());
}

}  // namespace pronk::cli
