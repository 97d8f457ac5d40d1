// Tokens that are found whole in a text, before anything else happens to it: special ones and those
// that were added to a vocabulary.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/types.h"
#include "text/unicode.h"
#include "tokenizer/byte_trie.h"

namespace pronk {

struct AddedToken {
  std::string text;  // not empty
  TokenId id = 0;
  bool special = false;      // only found where the caller allows it
  bool strips_left = false;  // takes the white space before it along
  bool strips_right = false;
  bool single_word = false;  // not between word characters
};

// Where in a text special tokens may stand: ascending, disjoint, touching ranges joined.
class SpecialRanges {
 public:
  static SpecialRanges none() { return SpecialRanges({}); }
  static SpecialRanges all(std::size_t size) { return SpecialRanges({{0, size}}); }
  static SpecialRanges join(std::span<const ByteRange> ranges);
  bool contain(std::size_t begin, std::size_t end) const;

 private:
  explicit SpecialRanges(std::vector<ByteRange> ranges) : ranges_(std::move(ranges)) {}
  std::vector<ByteRange> ranges_;
};

// A stretch of text: an added token, or (kNoToken) what stands between two.
struct Segment {
  std::size_t begin, end;
  TokenId token;
};

// Immutable, thread-safe. At each place the longest token that is allowed there is taken.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  std::vector<Segment> find(std::string_view text, const SpecialRanges& specials) const;

 private:
  bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) const;
  std::size_t white_space_before(std::string_view text, std::size_t end, std::size_t limit) const;
  std::size_t white_space_after(std::string_view text, std::size_t begin) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // values: indices of tokens_
};

}  // namespace pronk
