#include "text/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

using Kind = Token::Kind;
constexpr std::size_t kNone = std::string_view::npos;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "\r\n" and "\r" become "\n"; one line end at the very end is dropped (keep_trailing_newline is
// off).
std::string normalize_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text.push_back(source[i]);
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<Token>> run() {
    while (position_ < source_.size()) PRONK_TRY(text_and_tag());
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(position_); }
  bool looking_at(std::string_view what) const { return rest().starts_with(what); }
  char peek(std::size_t offset = 0) const {
    return position_ + offset < source_.size() ? source_[position_ + offset] : '\0';
  }

  void advance_to(std::size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(position_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    if (end > position_) line_starting_ = source_[end - 1] == '\n';
    position_ = end;
  }

  Token& add(Kind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text), 0, 0});
    return tokens_.back();
  }

  // The next "{{", "{%" or "{#" from `from` on.
  std::size_t find_tag(std::size_t from) const {
    for (std::size_t i = source_.find('{', from); i != kNone; i = source_.find('{', i + 1))
      if (i + 1 < source_.size() && std::string_view("{%#").find(source_[i + 1]) != kNone) return i;
    return kNone;
  }

  // Where the text before a tag ends, with the tag's sign and lstrip_blocks applied.
  std::size_t end_of_text(std::size_t tag) const {
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const std::string_view text = std::string_view(source_).substr(position_, tag - position_);
    if (sign == '-') return position_ + end_without_space(text, 0);
    if (sign == '+' || source_[tag + 1] == '{') return tag;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == kNone ? 0 : newline + 1;
    const bool blank = end_without_space(text, line) == line;
    return (line > 0 || line_starting_) && blank ? position_ + line : tag;
  }

  Status text_and_tag() {
    const std::size_t tag = find_tag(position_);
    if (tag == kNone) {
      add(Kind::kData, std::string(rest()));
      advance_to(source_.size());
      return Ok{};
    }
    const std::size_t end = end_of_text(tag);
    if (end > position_) add(Kind::kData, source_.substr(position_, end - position_));
    advance_to(tag);
    const std::optional<std::size_t> raw = raw_begin();
    if (raw) return raw_block(*raw);
    const char kind = source_[tag + 1];
    advance_to(tag + 2);
    if (peek() == '-' || peek() == '+') advance_to(position_ + 1);
    if (kind == '#') return comment();
    add(kind == '{' ? Kind::kVariableBegin : Kind::kBlockBegin, "");
    return inside_tag(kind == '{');
  }

  // The end of "{% raw %}", if that is what stands here.
  std::optional<std::size_t> raw_begin() const {
    if (!looking_at("{%")) return std::nullopt;
    std::size_t i = position_ + 2;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    i = skip_space(source_, i);
    if (source_.compare(i, 3, "raw") != 0) return std::nullopt;
    i = skip_space(source_, i + 3);
    if (source_.compare(i, 3, "-%}") == 0) return skip_space(source_, i + 3);
    if (source_.compare(i, 2, "%}") == 0) return i + 2;
    return std::nullopt;
  }

  Status raw_block(std::size_t begin) {
    const int opening_line = line_;
    advance_to(begin);
    for (std::size_t tag = source_.find("{%", begin); tag != kNone;
         tag = source_.find("{%", tag + 1)) {
      std::size_t i = tag + 2;
      if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
      i = skip_space(source_, i);
      if (source_.compare(i, 6, "endraw") != 0) continue;
      i = skip_space(source_, i + 6);
      const std::optional<std::size_t> end = tag_end(i, "%}");
      if (!end) continue;
      const std::size_t text_end = end_of_text(tag);
      if (text_end > begin) add(Kind::kData, source_.substr(begin, text_end - begin));
      advance_to(*end);
      return Ok{};
    }
    return syntax_error(opening_line, "{% raw %} without {% endraw %}");
  }

  // The end of a closing mark that begins at `i`: "-%}" and the white space after it, "+%}", or
  // "%}" and one line end (trim_blocks).
  std::optional<std::size_t> tag_end(std::size_t i, std::string_view mark) const {
    if (i < source_.size() && source_[i] == '-' && source_.compare(i + 1, 2, mark) == 0)
      return skip_space(source_, i + 3);
    if (i < source_.size() && source_[i] == '+' && source_.compare(i + 1, 2, mark) == 0 &&
        mark != "}}")
      return i + 3;
    if (i < source_.size() && source_.compare(i, 2, mark) == 0) {
      const bool newline = mark != "}}" && i + 2 < source_.size() && source_[i + 2] == '\n';
      return i + 2 + (newline ? 1 : 0);
    }
    return std::nullopt;
  }

  Status comment() {
    const int opening_line = line_;
    std::size_t mark = source_.find("#}", position_);
    if (mark == kNone) return syntax_error(opening_line, "comment without an end '#}'");
    if (mark > position_ && (source_[mark - 1] == '-' || source_[mark - 1] == '+')) --mark;
    advance_to(*tag_end(mark, "#}"));
    return Ok{};
  }

  Status inside_tag(bool variable) {
    const int opening_line = line_;
    std::string open_brackets;
    while (position_ < source_.size()) {
      if (open_brackets.empty()) {
        if (const auto end = tag_end(position_, variable ? "}}" : "%}")) {
          add(variable ? Kind::kVariableEnd : Kind::kBlockEnd, "");
          advance_to(*end);
          return Ok{};
        }
      }
      PRONK_TRY(one_token(&open_brackets));
    }
    return syntax_error(opening_line,
                        fmt::format("tag without an end '{}'", variable ? "}}" : "%}"));
  }

  Status one_token(std::string* open_brackets) {
    const std::size_t after_space = skip_space(source_, position_);
    if (after_space > position_) {
      advance_to(after_space);
      return Ok{};
    }
    if (is_digit(peek())) return number();
    const DecodedChar c = decode_char(source_, position_);
    if (is_word(c.code) || char_flags(c.code) & kIdentifierContinue) return name();
    if (peek() == '\'' || peek() == '"') return string();
    return operator_token(open_brackets);
  }

  Status name() {
    std::size_t end = position_;
    bool first = true, valid = true;
    while (end < source_.size()) {
      const DecodedChar c = decode_char(source_, end);
      const std::uint16_t flags = char_flags(c.code);
      if (!is_word(c.code) && !(flags & kIdentifierContinue)) break;
      valid = valid && (flags & (first ? kIdentifierStart : kIdentifierContinue));
      first = false;
      end += c.size;
    }
    std::string text = source_.substr(position_, end - position_);
    if (!valid) return syntax_error(line_, fmt::format("'{}' is not a name", text));
    add(Kind::kName, std::move(text));
    advance_to(end);
    return Ok{};
  }

  // Digits, single underscores between them: the end of the run that begins at i, or i.
  template <class IsDigit>
  std::size_t skip_digits(std::size_t i, IsDigit is_one) const {
    const std::size_t begin = i;
    while (i < source_.size() &&
           (is_one(source_[i]) ||
            (source_[i] == '_' && i > begin && i + 1 < source_.size() && is_one(source_[i + 1]))))
      ++i;
    return i;
  }

  Status number() {
    if (const auto end = float_end()) {
      std::string digits = source_.substr(position_, *end - position_);
      std::erase(digits, '_');
      add(Kind::kFloat, digits).number = std::strtod(digits.c_str(), nullptr);
      advance_to(*end);
      return Ok{};
    }
    int base = 10;
    std::size_t begin = position_, end = 0;
    const char prefix = static_cast<char>(peek(1) | 0x20);
    if (peek() == '0' && (prefix == 'x' || prefix == 'o' || prefix == 'b')) {
      const int prefix_base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : 2;
      const auto is_one = [&](char c) { return digit_value(c) < prefix_base; };
      std::size_t i = position_ + 2;
      if (i < source_.size() && source_[i] == '_') ++i;
      end = skip_digits(i, is_one);
      if (end > i) {
        base = prefix_base;
        begin = i;
      }
    }
    if (base == 10) {
      const bool zero = peek() == '0';
      end = skip_digits(position_, [&](char c) { return zero ? c == '0' : is_digit(c); });
    }
    Int value = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (source_[i] == '_') continue;
      if (__builtin_mul_overflow(value, Int{base}, &value) ||
          __builtin_add_overflow(value, Int{digit_value(source_[i])}, &value))
        return syntax_error(line_, "a number too large for 128 bits");
    }
    add(Kind::kInteger, source_.substr(position_, end - position_)).integer = value;
    advance_to(end);
    return Ok{};
  }

  static int digit_value(char c) {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
  }

  // Digits with a fraction, an exponent or both; not straight after a dot ("a.0.1" are two
  // subscripts).
  std::optional<std::size_t> float_end() const {
    if (position_ > 0 && source_[position_ - 1] == '.') return std::nullopt;
    const std::size_t whole = skip_digits(position_, is_digit);
    std::size_t end = whole;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1]))
      end = skip_digits(end + 1, is_digit);
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      std::size_t i = end + 1;
      if (i < source_.size() && (source_[i] == '+' || source_[i] == '-')) ++i;
      if (i < source_.size() && is_digit(source_[i])) end = skip_digits(i, is_digit);
    }
    return end == whole ? std::nullopt : std::optional(end);
  }

  Status string() {
    const char quote = peek();
    std::size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return syntax_error(line_, fmt::format("unexpected char {}", quote));
    const std::string_view raw =
        std::string_view(source_).substr(position_ + 1, end - position_ - 1);
    add(Kind::kString, PRONK_TRY(unescape(raw)));
    advance_to(end + 1);
    return Ok{};
  }

  // Python's "unicode-escape". Jinja first writes every character beyond ASCII as an escape itself,
  // so that a backslash before one makes the two read as plain text: '\é' is '\xe9'.
  Result<std::string> unescape(std::string_view raw) const {
    std::string text;
    for (std::size_t i = 0; i < raw.size();) {
      if (raw[i] != '\\') {
        text.push_back(raw[i++]);
        continue;
      }
      const DecodedChar c = decode_char(raw, i + 1);
      i += 1 + c.size;
      if (c.code >= 0x80) {
        text += c.code < 0x100     ? fmt::format("\\x{:02x}", static_cast<unsigned>(c.code))
                : c.code < 0x10000 ? fmt::format("\\u{:04x}", static_cast<unsigned>(c.code))
                                   : fmt::format("\\U{:08x}", static_cast<unsigned>(c.code));
        continue;
      }
      PRONK_TRY(one_escape(static_cast<char>(c.code), raw, &i, &text));
    }
    return text;
  }

  // The escape "\LETTER", of which `*i` stands behind.
  Status one_escape(char letter, std::string_view raw, std::size_t* i, std::string* text) const {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const std::size_t simple = kLetters.find(letter);
    if (simple != kNone) {
      text->push_back(kMeanings[simple]);
    } else if (letter == '\n') {
      // A line end after a backslash is no part of the string.
    } else if (letter >= '0' && letter <= '7') {
      char32_t code = static_cast<char32_t>(letter - '0');
      for (int n = 1; n < 3 && *i < raw.size() && raw[*i] >= '0' && raw[*i] <= '7'; ++n)
        code = code * 8 + static_cast<char32_t>(raw[(*i)++] - '0');
      append_utf8(code, text);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const std::size_t length = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      char32_t code = 0;
      for (std::size_t n = 0; n < length; ++n, ++*i) {
        if (*i >= raw.size() || digit_value(raw[*i]) > 15)
          return syntax_error(line_, fmt::format("truncated \\{} escape", letter));
        code = code << 4 | static_cast<char32_t>(digit_value(raw[*i]));
      }
      if (code > 0x10ffff) return syntax_error(line_, "illegal Unicode character");
      append_utf8(code, text);
    } else if (letter == 'N') {
      return syntax_error(line_, "\\N{...} escapes are not supported; write \\uXXXX");
    } else {
      text->push_back('\\');
      text->push_back(letter);
    }
    return Ok{};
  }

  Status operator_token(std::string* open_brackets) {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    const std::string_view two = rest().substr(0, 2);
    const bool is_two = std::find(std::begin(kTwo), std::end(kTwo), two) != std::end(kTwo);
    const char c = peek();
    if (!is_two && kOne.find(c) == kNone)
      return syntax_error(line_, fmt::format("unexpected char {:?}", rest().substr(0, 1)));
    constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (const std::size_t which = kOpening.find(c); which != kNone)
      open_brackets->push_back(kClosing[which]);
    if (kClosing.find(c) != kNone) {
      if (open_brackets->empty()) return syntax_error(line_, fmt::format("unexpected '{}'", c));
      if (open_brackets->back() != c)
        return syntax_error(
            line_, fmt::format("unexpected '{}', expected '{}'", c, open_brackets->back()));
      open_brackets->pop_back();
    }
    add(Kind::kOperator, std::string(is_two ? two : two.substr(0, 1)));
    advance_to(position_ + (is_two ? 2 : 1));
    return Ok{};
  }

  std::string source_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last thing read ended with a line end
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::describe() const {
  switch (kind) {
    case Kind::kData:
      return "template text";
    case Kind::kVariableBegin:
      return "'{{'";
    case Kind::kVariableEnd:
      return "'}}'";
    case Kind::kBlockBegin:
      return "'{%'";
    case Kind::kBlockEnd:
      return "'%}'";
    case Kind::kEnd:
      return "the end of the template";
    case Kind::kString:
      return "a string";
    default:
      return "'" + text + "'";
  }
}

Error syntax_error(int line, std::string_view message) {
  return error(Code::kInvalidArgument, fmt::format("line {}: {}", line, message));
}

Result<std::vector<Token>> tokenize(std::string_view source) {
  return Lexer(normalize_newlines(source)).run();
}

}  // namespace pronk::jinja
