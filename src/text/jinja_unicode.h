// Characters as Python's str methods see them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pronk::jinja {

// What str.isspace(), str.isalpha(), ... say about one character. Bits, in the order of
// tools/make_jinja_unicode.py.
enum CharFlag : std::uint16_t {
  kSpace = 1 << 0,
  kPrintable = 1 << 1,
  kAlpha = 1 << 2,
  kDecimal = 1 << 3,
  kDigit = 1 << 4,
  kNumeric = 1 << 5,
  kLower = 1 << 6,
  kUpper = 1 << 7,
  kTitle = 1 << 8,  // a title-case letter of its own, such as U+01C5
  kCaseIgnorable = 1 << 9,
  kIdentifierStart = 1 << 10,
  kIdentifierContinue = 1 << 11,
};

std::uint16_t char_flags(char32_t c);
inline bool is_space(char32_t c) { return (char_flags(c) & kSpace) != 0; }
inline bool is_cased(char32_t c) { return (char_flags(c) & (kLower | kUpper | kTitle)) != 0; }
inline bool is_word(char32_t c) {  // \w of a regular expression
  return c == '_' || (char_flags(c) & (kAlpha | kDecimal | kDigit | kNumeric)) != 0;
}

enum class Case { kUpper, kLower, kTitle };
// Appends the character's mapping, which may be several characters ("ß" -> "SS").
void append_cased(char32_t c, Case to, std::string* out);

void append_utf8(char32_t c, std::string* out);

// The character that begins at text[position], and how many bytes it takes. A byte that begins no
// valid character stands alone, as a code point above Unicode (0x110000 + byte).
struct DecodedChar {
  char32_t code;
  std::size_t size;
};
DecodedChar decode_char(std::string_view text, std::size_t position);

// Where the character begins that ends at `end` > 0.
std::size_t previous_char(std::string_view text, std::size_t end);

std::size_t count_chars(std::string_view text);

// The text without the white space (Python's) at its ends: [begin, end).
std::size_t skip_space(std::string_view text, std::size_t begin);
std::size_t end_without_space(std::string_view text, std::size_t begin);

}  // namespace pronk::jinja
