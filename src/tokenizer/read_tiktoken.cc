// Meta's tokenizer.model of Llama 3 and later: tiktoken's tokens by rank, and the special ones.
#include <fmt/format.h>

#include "formats/tiktoken_file.h"
#include "tokenizer/parts.h"

namespace pronk {

static_assert(kMaxTiktokenTokenBytes <= kMaxMergedTokenBytes, "every token gets its merges");

Result<TokenizerParts> read_tiktoken(const TokenizerSource& source) {
  const std::vector<std::string> tokens = PRONK_TRY(parse_tiktoken(source.bytes));
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
  for (const std::string& name : llama3_special_tokens()) {
    parts.added_tokens.push_back({.text = name, .id = parts.vocabulary.size(), .special = true});
    parts.vocabulary.add(name, TokenType::kControl, false);
  }
  parts.bos = first_special;
  parts.eos = first_special + 1;
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
