// The inside of Tokenizer: the parts that a file gave, put to work.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pronk/tokenizer.h"
#include "tokenizer/parts.h"

namespace pronk {

// Immutable and thread-safe; does not move, for its members refer to each other.
class Tokenizer::Impl {
 public:
  explicit Impl(TokenizerParts parts);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::vector<TokenId> encode(std::string_view text, const SpecialRanges& specials,
                              std::size_t* num_dropped_bytes = nullptr) const;
  // Appends the token's bytes. at_start: whether nothing was written yet; the space that encoding
  // put before the text is left out there.
  void append(TokenId token, bool& at_start, std::string& out) const;

  const TokenizerParts& parts() const { return parts_; }
  bool is_special(TokenId token) const;
  std::optional<TokenId> find_special(std::string_view text) const;

 private:
  void encode_segment(std::string_view text, bool first, Bpe::Workspace& workspace,
                      std::vector<TokenId>& out) const;
  // The text as it is, or what the normalizer makes of it, in `storage`.
  std::string_view normalize(std::string_view text, bool first, std::string& storage) const;
  void encode_normalized(std::string_view text, Bpe::Workspace& workspace,
                         std::vector<TokenId>& out) const;

  TokenizerParts parts_;
  AddedTokens added_, normalized_added_;
  Splitter splitter_;
  std::optional<Bpe> bpe_;
  std::optional<Unigram> unigram_;
  std::unordered_map<std::string_view, TokenId> specials_;  // keys lie in the vocabulary
};

}  // namespace pronk
