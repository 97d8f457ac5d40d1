// SentencePiece's unigram model: the cut of a text whose tokens' scores add up to the most.
#pragma once
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/vocabulary.h"

namespace pronk {

struct UnigramOptions {
  std::vector<double> scores;  // by token: log probabilities
  double unknown_score = 0;    // of a character that is no token
  bool byte_fallback = false;
  TokenId unknown = kNoToken;  // a run of unknown characters is one token
};

// Immutable and thread-safe; refers to its vocabulary, which outlives it.
class Unigram {
 public:
  Unigram(const Vocabulary& vocabulary, UnigramOptions options);

  // The whole of a normalized text. Scores are added up in float32, anew where the sum passes
  // 100,000, so that near ties fall as in sentencepiece 0.2.3.
  void encode(std::string_view text, std::vector<TokenId>& out) const;

 private:
  // The best way to reach an end: its score, and the token that ends there.
  struct Node {
    float score = 0;
    TokenId token = kNoToken;
    std::size_t begin = kUnreached;
  };
  static constexpr std::size_t kUnreached = ~std::size_t{0};
  void write_unknown(std::string_view bytes, bool after_unknown, std::vector<TokenId>& out) const;
  bool has_byte_tokens(std::string_view bytes) const;

  const Vocabulary& vocabulary_;
  UnigramOptions options_;
  ByteTrie trie_;
  std::vector<TokenId> byte_tokens_;  // 256
};

}  // namespace pronk
