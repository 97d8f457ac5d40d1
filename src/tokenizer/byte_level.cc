#include "tokenizer/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace pronk {

namespace {

constexpr int kNumCharacters = 256 + 68;  // code points that stand for a byte lie below

// By code point: the byte, or -1.
constexpr std::array<int, kNumCharacters> make_table() {
  std::array<int, kNumCharacters> table{};
  table.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    table[static_cast<std::size_t>(itself ? byte : next++)] = byte;
  }
  return table;
}

constexpr std::array<int, kNumCharacters> kByteOf = make_table();
static_assert(kByteOf[0x120] == ' ' && kByteOf[0x10A] == '\n' && kByteOf[323] == 0xAD);

}  // namespace

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
