// GGUF's tokenizer.ggml.*: the tokens of a Hugging Face or SentencePiece tokenizer, and the name of
// its split rule.
#include <fmt/format.h>

#include <algorithm>

#include "text/byte_level.h"
#include "text/utf8.h"
#include "tokenizer/parts.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

namespace {

using Kind = SplitRule::Kind;

// tokenizer.ggml.pre as llama.cpp's converter writes it.
struct NamedSplit {
  std::string_view name;
  std::vector<SplitRule> rules;
  bool whole_piece_first = false;
  bool adds_bos = false;
};

const std::vector<NamedSplit>& named_splits() {
  const std::vector<SplitRule> llama3 = {{.kind = Kind::kLlama3}};
  const std::vector<SplitRule> gpt2 = {{.kind = Kind::kGpt2}};
  const std::vector<SplitRule> digits = {{.kind = Kind::kEachNumeric}, {.kind = Kind::kGpt2}};
  static const std::vector<NamedSplit> splits = {
      {"llama-bpe", llama3, true, true},
      {"llama3", llama3, true, true},
      {"llama-v3", llama3, true, true},
      {"falcon3", llama3, true, true},
      {"smaug-bpe", llama3},
      {"dbrx", llama3},
      {"smollm", digits},
      {"starcoder", digits},
      {"refact", digits},
      {"command-r", digits},
      {"codeshell", digits},
      {"gpt-2", gpt2},
      {"gpt2", gpt2},
      {"phi-2", gpt2},
      {"mpt", gpt2},
      {"olmo", gpt2},
      {"jais", gpt2},
      {"qwen2", {{.kind = Kind::kLlama3, .max_digits = 1}}},
      {"stablelm2", {{.kind = Kind::kLlama3, .max_digits = 1}}},
  };
  return splits;
}

Result<const NamedSplit*> find_split(std::string_view pre) {
  const auto& splits = named_splits();
  const auto found = std::find_if(splits.begin(), splits.end(),
                                  [&](const NamedSplit& s) { return s.name == pre; });
  if (found != splits.end()) return &*found;
  std::string names;
  for (const NamedSplit& s : splits) names += (names.empty() ? "" : ", ") + std::string(s.name);
  return error(Code::kUnsupported,
               fmt::format("tokenizer.ggml.pre '{}': unknown split rule; built are {}",
                           pre.empty() ? "(missing)" : printable(pre), names));
}

// "left right": a space never stands in a token, where it is "Ġ".
Result<Merge> parse_merge(const Vocabulary& vocabulary, std::string_view text, std::size_t rank) {
  const std::size_t space = text.find(' ', 1);
  const auto broken = [&](std::string_view why) {
    return error(Code::kCorruptData, fmt::format("tokenizer.ggml.merges: merge {} '{}' {}", rank,
                                                 printable(text), why));
  };
  if (space == std::string_view::npos || space + 1 == text.size())
    return broken("is not two tokens with a space between");
  const auto left = bytes_of_byte_level(text.substr(0, space));
  const auto right = bytes_of_byte_level(text.substr(space + 1));
  if (!left || !right) return broken("has a character that stands for no byte");
  const Merge merge{vocabulary.find(*left), vocabulary.find(*right),
                    vocabulary.find(*left + *right), static_cast<std::int32_t>(rank)};
  if (merge.left == kNoToken || merge.right == kNoToken || merge.result == kNoToken)
    return broken("has a token that is not in tokenizer.ggml.tokens");
  return merge;
}

Result<TokenizerParts> read_byte_level(const TokenizerSource& source) {
  const NamedSplit* split = PRONK_TRY(find_split(source.gguf_pre));
  TokenizerParts parts;
  parts.kind = fmt::format("byte-level BPE ({})", split->name);
  parts.split_rules = split->rules;
  parts.bpe.whole_piece_first = split->whole_piece_first;
  parts.adds_bos = split->adds_bos;
  for (std::size_t i = 0; i < source.tokens.size(); ++i) {
    const std::string& text = source.tokens[i];
    const TokenType type = PRONK_TRY(source.type_of(i));
    const auto id = static_cast<TokenId>(i);
    // Control and user-defined tokens are written as they are, the others byte by byte.
    const bool added = type == TokenType::kControl || type == TokenType::kUserDefined;
    if (added && !text.empty())
      parts.added_tokens.push_back(
          {.text = text, .id = id, .special = type == TokenType::kControl});
    const auto bytes = added ? std::nullopt : bytes_of_byte_level(text);
    parts.vocabulary.add(bytes.value_or(text), type, bytes && !bytes->empty());
  }
  parts.merges.reserve(source.merges.size());
  for (std::size_t i = 0; i < source.merges.size(); ++i)
    parts.merges.push_back(PRONK_TRY(parse_merge(parts.vocabulary, source.merges[i], i)));
  return parts;
}

Result<TokenizerParts> read_sentencepiece_tokens(const TokenizerSource& source) {
  SentencePieces model;
  for (std::size_t i = 0; i < source.tokens.size(); ++i) {
    const TokenType type = PRONK_TRY(source.type_of(i));
    model.pieces.push_back({source.tokens[i], source.scores.empty() ? 0 : source.scores[i], type});
    model.byte_fallback |= type == TokenType::kByte;
  }
  model.normalizer.space_prefix = source.add_space_prefix.value_or(true)
                                      ? Normalizer::Prefix::kAlways
                                      : Normalizer::Prefix::kNever;
  model.normalizer.remove_extra_spaces = source.remove_extra_whitespaces.value_or(false);
  TokenizerParts parts = PRONK_TRY(make_sentencepiece_parts(std::move(model)));
  parts.adds_bos = true;
  if (source.tokens.size() > 2) {  // Llama 2's, where the file does not say
    parts.bos = 1;
    parts.eos = 2;
  }
  return parts;
}

}  // namespace

Result<TokenizerParts> read_gguf_tokenizer(const TokenizerSource& source) {
  const std::size_t n = source.tokens.size();
  if (n == 0 || n > kMaxTokens)
    return error(Code::kCorruptData, fmt::format("tokenizer.ggml.tokens: {} tokens", n));
  if (!source.token_types.empty() && source.token_types.size() != n)
    return error(Code::kCorruptData,
                 fmt::format("tokenizer.ggml.token_type: {} types for {} tokens",
                             source.token_types.size(), n));
  if (!source.scores.empty() && source.scores.size() != n)
    return error(Code::kCorruptData, fmt::format("tokenizer.ggml.scores: {} scores for {} tokens",
                                                 source.scores.size(), n));
  if (source.gguf_model == "gpt2") return read_byte_level(source);
  if (source.gguf_model == "llama") return read_sentencepiece_tokens(source);
  return error(Code::kUnsupported,
               fmt::format("tokenizer.ggml.model '{}': built are gpt2 (byte-level BPE) and llama "
                           "(SentencePiece)",
                           printable(source.gguf_model)));
}

}  // namespace pronk
