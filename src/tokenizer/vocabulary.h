// The tokens of a vocabulary: their bytes, what kind each is, and which token some bytes are.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/token_type.h"
#include "pronk/types.h"

namespace pronk {

inline constexpr TokenId kNoToken = -1;

// A hash of short byte strings; wyhash's mixing of two 64-bit words into one.
std::uint64_t hash_bytes(std::string_view bytes);

// Built by add() in the order of ids, immutable afterwards.
class Vocabulary {
 public:
  Vocabulary();

  // The next id. `findable`: whether find() shall know it; of two equal ones the first is found.
  void add(std::string_view bytes, TokenType type, bool findable);
  void reserve(std::size_t num_tokens, std::size_t num_bytes);

  int size() const { return static_cast<int>(types_.size()); }
  bool contains(TokenId id) const { return id >= 0 && id < size(); }
  std::string_view bytes(TokenId id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(arena_).substr(ends_[i], ends_[i + 1] - ends_[i]);
  }
  TokenType type(TokenId id) const { return types_[static_cast<std::size_t>(id)]; }

  TokenId find(std::string_view bytes) const { return find(bytes, hash_bytes(bytes)); }
  TokenId find(std::string_view bytes, std::uint64_t hash) const;

 private:
  // Holds where the bytes lie, so that a search touches two cache lines: the slot's and theirs.
  struct Slot {
    std::uint32_t tag = 0;  // the hash's upper half
    TokenId id = kNoToken;
    std::uint32_t begin = 0, size = 0;  // in arena_
  };
  void grow();

  std::string arena_;
  std::vector<std::size_t> ends_;  // token i is arena_[ends_[i], ends_[i + 1])
  std::vector<TokenType> types_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  std::size_t num_findable_ = 0;
};

// Whether some token that text can become goes on with a space after something else ("a b"): if
// none does, a text may be cut before every run of spaces without changing its tokens.
bool has_space_inside(const Vocabulary& vocabulary);

}  // namespace pronk
