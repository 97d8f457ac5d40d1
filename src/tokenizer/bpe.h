// Byte pair encoding: the best pair of neighbours becomes one token, until no pair is left.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/vocabulary.h"

namespace pronk {

// `left` `right` may become `result`; the lowest rank goes first, the leftmost of equals.
struct Merge {
  TokenId left, right, result;
  std::int32_t rank;
};

struct BpeOptions {
  // What a piece is before the first merge: its bytes, or its characters.
  bool byte_symbols = true;
  // A piece that is a token whole is that token, whatever the merges say (tiktoken; ignore_merges).
  bool whole_piece_first = false;
  // kByte tokens in the place of a character that is no token.
  bool byte_fallback = false;
  TokenId unknown = kNoToken;  // else this; else nothing, as in Hugging Face's tokenizers
  bool fuse_unknown = false;   // a run of unknown characters is one token
  // SentencePiece's user-defined symbols: the longest that fits is one symbol and takes part in no
  // merge. May be null; outlives the Bpe.
  const ByteTrie* user_symbols = nullptr;
};

// Every way to cut a token of `vocabulary` in two tokens, as tiktoken and SentencePiece merge: any
// two neighbours that spell a token. rank(result) orders them. Characters that are no token, but
// stand in one, take ids from vocabulary.size() on, in the order of `extra_symbols`.
struct VocabularyMerges {
  std::vector<Merge> merges;
  std::vector<std::string> extra_symbols;
};
VocabularyMerges merges_of_vocabulary(const Vocabulary& vocabulary,
                                      const std::vector<std::int32_t>& ranks);
// Longer tokens would make merges_of_vocabulary quadratic in what a hostile file holds.
inline constexpr std::size_t kMaxMergedTokenBytes = 512;

// Immutable and thread-safe; refers to its vocabulary, which outlives it.
class Bpe {
 public:
  // What encode() works in and remembers between pieces; one for each call of Tokenizer::encode.
  class Workspace;

  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges,
      const std::vector<std::string>& extra_symbols, const BpeOptions& options);

  void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& out) const;

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  static constexpr std::int32_t kNoRank = INT32_MAX;
  struct Slot {
    std::uint64_t pair = kEmpty;
    std::int32_t rank = kNoRank;
    TokenId result = kNoToken;
  };
  static std::uint64_t key(TokenId left, TokenId right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t pair) const {
    return static_cast<std::size_t>((pair ^ pair >> 29) * 0x9e3779b97f4a7c15u >> shift_);
  }
  const Slot& find(TokenId left, TokenId right) const;  // an empty slot when they do not merge
  void insert(const Merge& merge);

  TokenId symbol(std::string_view character) const;
  void to_symbols(std::string_view piece, Workspace& w) const;
  // Merges until no pair is left, or num_left symbols are.
  void merge(Workspace& w, std::size_t num_left = 1) const;
  void merge_few(Workspace& w, std::size_t num_left) const;
  void merge_many(Workspace& w, std::size_t num_left) const;
  void write(std::string_view piece, Workspace& w, std::vector<TokenId>& out) const;
  void write_token(TokenId token, std::vector<TokenId>& out) const;
  void write_unknown(std::string_view bytes, Workspace& w, std::vector<TokenId>& out) const;
  void find_whole_tokens();
  void split_unused_tokens();

  const Vocabulary& vocabulary_;
  BpeOptions options_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  int shift_ = 0;
  std::array<TokenId, 256> byte_tokens_;  // of byte_symbols, or for byte_fallback
  Vocabulary extra_symbols_;              // id i here is symbol vocabulary_.size() + i
  std::vector<bool> is_whole_;            // by token: merging its bytes gives it alone
  // kUnused tokens are merged through, but not written: the two that they were made of are.
  struct Halves {
    TokenId token, left, right;
  };
  std::vector<Halves> unused_;  // by token, ascending
};

class Bpe::Workspace {
 public:
  // Between two calls: an unknown run does not go on across texts.
  void begin_text() { after_unknown_ = false; }
  // Bytes of all texts so far that no token stands for.
  std::size_t num_dropped_bytes() const { return num_dropped_bytes_; }

 private:
  friend class Bpe;
  struct Symbol {
    TokenId token;
    std::uint32_t begin;  // of its bytes in the piece
  };
  struct Candidate {
    std::int32_t rank;
    std::uint32_t position;  // of the left symbol
    TokenId left, right, result;
  };
  struct Pair {
    std::int32_t rank;
    TokenId result;
  };
  std::vector<Symbol> symbols_;
  std::vector<Pair> pairs_;  // pair i: symbols i and i + 1
  std::vector<std::uint32_t> previous_, next_;
  std::vector<Candidate> heap_;
  bool after_unknown_ = false;
  std::size_t num_dropped_bytes_ = 0;

  // Pieces that took merging, and their tokens: a direct-mapped cache.
  struct Cached {
    std::uint64_t hash = 0;
    std::uint32_t text_begin = 0, text_size = 0, tokens_begin = 0, num_tokens = 0;
  };
  static constexpr std::size_t kNumCached = 1 << 14, kMaxCachedBytes = 64, kMaxCacheArena = 4 << 20;
  const Cached* find(std::string_view piece, std::uint64_t hash) const;
  void remember(std::string_view piece, std::uint64_t hash, const TokenId* tokens,
                std::size_t num_tokens);
  std::vector<Cached> cache_;
  std::string cached_text_;
  std::vector<TokenId> cached_tokens_;
};

}  // namespace pronk
