// UTF-8, one character at a time, over bytes that may be anything.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pronk {

inline constexpr char32_t kInvalidCodePoint = 0xFFFFFFFF;

struct Utf8Char {
  char32_t code_point;  // kInvalidCodePoint: the byte begins no well-formed character
  int length;           // bytes, 1 to 4; 1 when invalid
};

// The first character of text[position..]. Overlong forms, surrogates and values over U+10FFFF are
// invalid (RFC 3629). position < text.size().
inline Utf8Char decode_utf8(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t left = text.size() - position;
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  if (first >= 0xC2 && first <= 0xDF && left >= 2 && continues(1))
    return {(first & 0x1Fu) << 6 | (byte(1) & 0x3Fu), 2};
  if ((first & 0xF0) == 0xE0 && left >= 3 && continues(1) && continues(2)) {
    const char32_t c = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) return {c, 3};
  }
  if (first >= 0xF0 && first <= 0xF4 && left >= 4 && continues(1) && continues(2) && continues(3)) {
    const char32_t c = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 |
                       (byte(3) & 0x3Fu);
    if (c >= 0x10000 && c <= 0x10FFFF) return {c, 4};
  }
  return {kInvalidCodePoint, 1};
}

// The last character of text, which is not empty; invalid when the last byte ends no character.
Utf8Char decode_last_utf8(std::string_view text);

void append_utf8(std::string& out, char32_t code_point);

bool is_valid_utf8(std::string_view text);

// For messages: control characters and ill-formed bytes as \xNN, cut after max_bytes bytes
// with "...".
std::string printable(std::string_view text, std::size_t max_bytes = 80);

// How many bytes at the end of text are the beginning of a character whose rest may still come: 0
// to 3.
std::size_t unfinished_utf8_bytes(std::string_view text);

}  // namespace pronk
