// Llama 3's tokenizer.model: a line "base64(token) rank" for each token. The special tokens are not
// in the file; Meta's wrapper puts them behind the ranks.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk {

// Finding a token's splits is quadratic in its length; a longer one is a broken file.
inline constexpr std::size_t kMaxTiktokenTokenBytes = 512;

// The tokens' bytes by rank, which is their id. kCorruptData names the line: not base64, a rank
// missing or there twice, a token too long.
Result<std::vector<std::string>> parse_tiktoken(std::string_view text);

// The names of the special tokens of Llama 3.1 and later, in the order of their ids.
inline constexpr int kNumLlama3Specials = 256;
std::vector<std::string> llama3_special_tokens();

}  // namespace pronk
