#include "formats/tiktoken_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "formats/token_type.h"

namespace pronk {
namespace {

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const std::array<int, 256> values = [] {
    std::array<int, 256> v;
    v.fill(-1);
    for (std::size_t i = 0; i < kDigits.size(); ++i)
      v[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
    return v;
  }();
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  unsigned bits = 0;
  int num_bits = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xFFFF;
    if ((num_bits += 6) < 8) continue;
    num_bits -= 8;
    bytes.push_back(static_cast<char>(bits >> num_bits & 0xFF));
  }
  return bytes;
}

// One line to tokens[rank].
Status read_line(std::string_view line, int number, std::vector<std::string>& tokens) {
  const auto broken = [&](std::string_view why) {
    return error(Code::kCorruptData, fmt::format("tiktoken line {}: {}", number, why));
  };
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return broken("no space, needed is base64 SPACE rank");
  std::size_t rank = 0;
  const std::string_view digits = line.substr(space + 1);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  if (code != std::errc() || end != digits.data() + digits.size())
    return broken("the rank is no number");
  // Ids are ranks, and the special ones follow them: a gap would shift what the model learned.
  if (rank >= tokens.size())
    return broken(fmt::format("rank {} among {} tokens leaves a gap", rank, tokens.size()));
  std::optional<std::string> bytes = decode_base64(line.substr(0, space));
  if (!bytes) return broken("the token is not base64");
  if (bytes->size() > kMaxTiktokenTokenBytes)
    return broken(
        fmt::format("a token of {} bytes, the limit is {}", bytes->size(), kMaxTiktokenTokenBytes));
  if (!tokens[rank].empty()) return broken(fmt::format("rank {} a second time", rank));
  tokens[rank] = std::move(*bytes);
  return Ok{};
}

}  // namespace

Result<std::vector<std::string>> parse_tiktoken(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(text.find('\n', i), text.size());
    std::string_view line = text.substr(i, end - i);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(line);
    i = end + 1;
  }
  if (lines.empty() || lines.size() > kMaxTokens)
    return error(Code::kCorruptData, fmt::format("tiktoken file: {} tokens", lines.size()));
  std::vector<std::string> tokens(lines.size());
  int number = 0;
  for (const std::string_view line : lines) PRONK_TRY(read_line(line, ++number, tokens));
  return tokens;
}

// llama-models, models/llama3/tokenizer.py at the release of 3.1; <|reserved_special_token_2|> and
// on fill up.
std::vector<std::string> llama3_special_tokens() {
  std::vector<std::string> names = {"<|begin_of_text|>",
                                    "<|end_of_text|>",
                                    "<|reserved_special_token_0|>",
                                    "<|reserved_special_token_1|>",
                                    "<|finetune_right_pad_id|>",
                                    "<|step_id|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eom_id|>",
                                    "<|eot_id|>",
                                    "<|python_tag|>"};
  for (int i = 2; std::ssize(names) < kNumLlama3Specials; ++i)
    names.push_back(fmt::format("<|reserved_special_token_{}|>", i));
  return names;
}

}  // namespace pronk
