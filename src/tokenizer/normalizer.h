// What happens to a text before it is cut: SentencePiece's spaces and character map.
#pragma once
#include <string>
#include <string_view>

#include "pronk/result.h"
#include "tokenizer/byte_trie.h"

namespace pronk {

// SentencePiece's compiled normalization rules (nmt_nfkc and others). Bytes: u32 size of the trie,
// the trie (a double array of u32, little-endian, as darts-clone writes it), then the replacements,
// each ended by a zero byte; a key's value is its replacement's offset.
class CharacterMap {
 public:
  CharacterMap() = default;  // maps nothing
  static Result<CharacterMap> parse(std::string_view bytes);

  bool empty() const { return units_.empty(); }
  struct Match {
    std::size_t length = 0;  // 0: no rule fits
    std::string_view replacement;
  };
  Match longest_match(std::string_view text, std::size_t position) const;

 private:
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// Immutable, thread-safe. Where SentencePiece writes "▁" (U+2581) for a space, vocabulary and text
// have a space here.
struct Normalizer {
  enum class Prefix { kNever, kFirst, kAlways };  // kFirst: only where the whole text begins

  bool spaces = false;                   // "▁" in a text means a space
  Prefix space_prefix = Prefix::kNever;  // a space before (or after) every text that is not empty
  bool prefix_unless_space = false;      // none before a space
  bool prefix_is_suffix = false;         // treat_whitespace_as_suffix
  bool remove_extra_spaces = false;      // at both ends, and all but one between words
  CharacterMap map;
  ByteTrie kept;  // user-defined symbols, as they are written in a text: no rule changes them

  bool changes_text() const { return spaces || space_prefix != Prefix::kNever; }
  // `first`: whether `text` is where the whole text begins.
  std::string apply(std::string_view text, bool first) const;

 private:
  struct Step {
    std::size_t length;
    std::string_view text;
  };
  Step next(std::string_view text, std::size_t position) const;
};

}  // namespace pronk
