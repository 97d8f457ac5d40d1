#include "text/utf8.h"

#include <algorithm>

namespace pronk {

Utf8Char decode_last_utf8(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length) {
    const Utf8Char c = decode_utf8(text, text.size() - length);
    if (c.code_point != kInvalidCodePoint && static_cast<std::size_t>(c.length) == length) return c;
  }
  return {kInvalidCodePoint, 1};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (c.code_point == kInvalidCodePoint) return false;
    i += static_cast<std::size_t>(c.length);
  }
  return true;
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (i >= max_bytes) return out + "...";
    const Utf8Char c = decode_utf8(text, i);
    const auto length = static_cast<std::size_t>(c.length);
    const bool control = c.code_point < 0x20 || (c.code_point >= 0x7F && c.code_point < 0xA0) ||
                         c.code_point == kInvalidCodePoint;
    for (const char byte : text.substr(i, length)) {
      const auto value = static_cast<unsigned char>(byte);
      if (control)
        out += {'\\', 'x', kDigits[value >> 4], kDigits[value & 15]};
      else
        out.push_back(byte);
    }
    i += length;
  }
  return out;
}

std::size_t unfinished_utf8_bytes(std::string_view text) {
  // A tail is unfinished when it can be filled up to a character. Of the continuation bytes, only
  // the second has a range that depends on the first byte, and 80 or BF lies in each of them.
  for (std::size_t n = 1; n <= std::min<std::size_t>(3, text.size()); ++n) {
    const std::string_view tail = text.substr(text.size() - n);
    const auto first = static_cast<unsigned char>(tail[0]);
    if ((first & 0xC0) == 0x80) continue;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    if (length <= n) return 0;
    for (const char filler : {'\x80', '\xBF'}) {
      std::string whole(tail);
      whole.resize(length, filler);
      if (decode_utf8(whole, 0).code_point != kInvalidCodePoint) return n;
    }
    return 0;
  }
  return 0;
}

}  // namespace pronk
