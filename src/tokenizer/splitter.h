// Cuts a text into the pieces that are merged each for itself: the split patterns of published
// tokenizers, as scanners.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace pronk {

// One way of cutting. The patterns are matched from left to right, the first alternative that fits
// wins, and every byte belongs to exactly one piece; an ill-formed byte counts as a symbol.
struct SplitRule {
  enum class Kind {
    // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|
    // \s*[\r\n]+|\s+(?!\S)|\s+     with n = max_digits: 3 for Llama 3, 1 for Qwen 2
    kLlama3,
    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    kGpt2,
    kEachNumber,   // \p{N} alone; between them the rest
    kEachNumeric,  // the same for Rust's char::is_numeric: Digits(individual_digits=true)
    kNumericRuns,  // Digits(individual_digits=false)
    // Before each run of spaces: "ab  cd" is "ab", "  cd". No split rule of a file, but equal to
    // none where no token goes on with a space after something else (SentencePiece).
    kSpaceRuns,
    kEachSpace,  // before each space: "ab  cd" is "ab", " ", " cd" (Metaspace with split=true)
  };
  Kind kind;
  int max_digits = 3;
};

// A list of rules: each cuts the pieces of the one before. Immutable, thread-safe.
class Splitter {
 public:
  explicit Splitter(std::vector<SplitRule> rules = {}) : rules_(std::move(rules)) {}

  // Calls emit(piece) for every piece in order.
  template <class Emit>
  void split(std::string_view text, Emit&& emit) const {
    apply(0, text, emit);
  }

 private:
  template <class Emit>
  void apply(std::size_t rule, std::string_view text, Emit& emit) const {
    if (rule == rules_.size()) {
      emit(text);
      return;
    }
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = piece_end(rules_[rule], text, begin);
      apply(rule + 1, text.substr(begin, end - begin), emit);
      begin = end;
    }
  }
  // Where the piece that begins at `begin` < text.size() ends: beyond begin.
  std::size_t piece_end(const SplitRule& rule, std::string_view text, std::size_t begin) const;

  std::vector<SplitRule> rules_;
  const UnicodeClasses& classes_ = UnicodeClasses::get();
};

}  // namespace pronk
