// Which classes a code point belongs to, as the patterns of published tokenizers see it.
#pragma once
#include <cstdint>
#include <vector>

namespace pronk {

// Immutable and thread-safe; made once. The table is Unicode 16 for \p{L}, \p{N} and \s (equal in
// tiktoken and tokenizers at every code point) and Unicode 17 for kNumeric; see
// tools/make_unicode_tables.py.
class UnicodeClasses {
 public:
  enum Class : std::uint8_t {
    kLetter = 1,   // \p{L}
    kNumber = 2,   // \p{N}
    kSpace = 4,    // \s: White_Space
    kNumeric = 8,  // what Hugging Face's pre-tokenizer Digits splits at (Rust's char::is_numeric)
    kWord = 16,    // \w
  };

  static const UnicodeClasses& get();

  // The classes, or-ed; 0 for kInvalidCodePoint and whatever lies beyond U+10FFFF.
  std::uint8_t of(char32_t code_point) const {
    return code_point < classes_.size() ? classes_[code_point] : std::uint8_t{0};
  }

 private:
  UnicodeClasses();
  std::vector<std::uint8_t> classes_;  // one byte for each code point: 1.1 MB
};

}  // namespace pronk
