// GPT-2's way to write any byte as a printable character: token strings of byte-level vocabularies
// are made of these.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace pronk {

// '!'..'~', '¡'..'¬' and '®'..'ÿ' stand for themselves (as code points); the other 68 bytes, in
// order, for U+0100.. : a space is "Ġ" (U+0120), a newline "Ċ" (U+010A).
std::string byte_level_of_bytes(std::string_view bytes);
// The bytes that `text` spells; nothing when some character stands for no byte.
std::optional<std::string> bytes_of_byte_level(std::string_view text);

}  // namespace pronk
