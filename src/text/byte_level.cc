#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace pronk {

namespace {

constexpr int kNumCharacters = 256 + 68;  // code points that stand for a byte lie below

// By byte: the code point that it is written as.
constexpr std::array<char32_t, 256> kCodePointOf = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 256;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    table[byte] = itself ? byte : next++;
  }
  return table;
}();

// By code point: the byte, or -1.
constexpr std::array<int, kNumCharacters> kByteOf = [] {
  std::array<int, kNumCharacters> table{};
  table.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) table[kCodePointOf[byte]] = static_cast<int>(byte);
  return table;
}();
static_assert(kByteOf[0x120] == ' ' && kByteOf[0x10A] == '\n' && kByteOf[323] == 0xAD);

}  // namespace

std::string byte_level_of_bytes(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) append_utf8(text, kCodePointOf[static_cast<unsigned char>(c)]);
  return text;
}

std::optional<std::string> bytes_of_byte_level(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    if (c.code_point >= kNumCharacters || kByteOf[c.code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kByteOf[c.code_point]));
    i += static_cast<std::size_t>(c.length);
  }
  return bytes;
}

}  // namespace pronk
