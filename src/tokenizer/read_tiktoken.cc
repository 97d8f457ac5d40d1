// tiktoken files: a line for each token, base64(bytes) SPACE rank; Meta's tokenizer.model of Llama
// 3 and later.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "tokenizer/parts.h"

namespace pronk {

namespace {

// What Meta's wrapper adds after the ranks (llama-models, models/llama3/tokenizer.py at the release
// of 3.1); <|reserved_special_token_2|> and on fill up to 256.
constexpr int kNumSpecials = 256;
constexpr std::string_view kSpecials[] = {"<|begin_of_text|>",
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
  if (bytes->size() > kMaxMergedTokenBytes)
    return broken(
        fmt::format("a token of {} bytes, the limit is {}", bytes->size(), kMaxMergedTokenBytes));
  if (!tokens[rank].empty()) return broken(fmt::format("rank {} a second time", rank));
  tokens[rank] = std::move(*bytes);
  return Ok{};
}

Result<std::vector<std::string>> read_tokens(std::string_view file) {
  std::vector<std::string_view> lines;
  for (std::size_t i = 0; i < file.size();) {
    const std::size_t end = std::min(file.find('\n', i), file.size());
    std::string_view line = file.substr(i, end - i);
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

}  // namespace

Result<TokenizerParts> read_tiktoken(const TokenizerSource& source) {
  const std::vector<std::string> tokens = PRONK_TRY(read_tokens(source.bytes));
  TokenizerParts parts;
  parts.kind = "byte-level BPE (tiktoken, Llama 3)";
  parts.split_rules = {{.kind = SplitRule::Kind::kLlama3}};
  parts.bpe.whole_piece_first = true;
  std::vector<std::int32_t> ranks;
  for (const std::string& bytes : tokens) {
    const TokenId id = parts.vocabulary.size();
    if (const TokenId first = parts.vocabulary.find(bytes); first != kNoToken)
      return error(Code::kCorruptData,
                   fmt::format("tiktoken file: ranks {} and {} have the same bytes", first, id));
    parts.vocabulary.add(bytes, TokenType::kNormal, true);
    ranks.push_back(id);
  }
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    if (parts.vocabulary.find({&byte, 1}) == kNoToken)
      return error(Code::kCorruptData,
                   fmt::format("tiktoken file: no token for the byte 0x{:02X}", b));
  }
  parts.merges = merges_of_vocabulary(parts.vocabulary, ranks).merges;

  const TokenId first_special = parts.vocabulary.size();
  constexpr int kNumNamed = static_cast<int>(std::size(kSpecials));
  for (int i = 0; i < kNumSpecials; ++i) {
    const std::string name = i < kNumNamed
                                 ? std::string(kSpecials[i])
                                 : fmt::format("<|reserved_special_token_{}|>", i - kNumNamed + 2);
    parts.added_tokens.push_back({.text = name, .id = parts.vocabulary.size(), .special = true});
    parts.vocabulary.add(name, TokenType::kControl, false);
  }
  parts.bos = first_special;
  parts.eos = first_special + 1;
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
