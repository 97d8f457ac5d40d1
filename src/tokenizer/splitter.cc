#include "tokenizer/splitter.h"

#include <algorithm>

#include "text/utf8.h"

namespace pronk {

namespace {

using Unicode = UnicodeClasses;
constexpr unsigned kLetterOrNumber = Unicode::kLetter | Unicode::kNumber;
constexpr unsigned kNotSymbol = Unicode::kSpace | kLetterOrNumber;

// Reads a text's characters as classes.
class Scanner {
 public:
  Scanner(std::string_view text, const Unicode& classes) : text_(text), classes_(classes) {}

  struct Char {
    unsigned classes;
    std::size_t end;  // where the next character begins
  };
  bool at_end(std::size_t i) const { return i >= text_.size(); }
  char byte(std::size_t i) const { return text_[i]; }
  Char at(std::size_t i) const {
    const auto first = static_cast<unsigned char>(text_[i]);
    if (first < 0x80) return {classes_.of(first), i + 1};
    const Utf8Char c = decode_utf8(text_, i);
    return {classes_.of(c.code_point), i + static_cast<std::size_t>(c.length)};
  }
  // The end of the longest run from i of characters with any (with_any) or none of `classes`.
  template <bool with_any>
  std::size_t run(std::size_t i, unsigned classes) const {
    while (!at_end(i)) {
      const Char c = at(i);
      if (((c.classes & classes) != 0) != with_any) break;
      i = c.end;
    }
    return i;
  }
  std::size_t newlines(std::size_t i) const {
    while (!at_end(i) && is_newline(i)) ++i;
    return i;
  }
  bool is_newline(std::size_t i) const { return text_[i] == '\r' || text_[i] == '\n'; }

  // 's|'t|'re|'ve|'m|'ll|'d at i, where an apostrophe stands: its end, or i. Without case, ſ
  // (U+017F, C5 BF) is an s too.
  std::size_t contraction(std::size_t i, bool any_case) const {
    const auto letter = [&](std::size_t k) {
      if (k >= text_.size()) return '\0';
      const char c = text_[k];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    switch (letter(i + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return i + 2;
      case 'r':
      case 'v':
        return letter(i + 2) == 'e' ? i + 3 : i;
      case 'l':
        return letter(i + 2) == 'l' ? i + 3 : i;
      case '\xC5':
        return any_case && letter(i + 2) == '\xBF' ? i + 3 : i;
      default:
        return i;
    }
  }

  // \s+(?!\S)|\s+ from i to `end`, the end of the run of white space: all of it at the end of the
  // text, else all but its last character, which goes with what follows, unless it is the only one.
  std::size_t white_space(std::size_t i, std::size_t end) const {
    if (at_end(end)) return end;
    const std::size_t last =
        end - static_cast<std::size_t>(decode_last_utf8(text_.substr(i, end - i)).length);
    return last > i ? last : end;
  }

 private:
  std::string_view text_;
  const Unicode& classes_;
};

std::size_t llama3(const Scanner& s, std::size_t i, int max_digits) {
  const Scanner::Char c = s.at(i);
  if (c.classes & Unicode::kLetter) return s.run<true>(c.end, Unicode::kLetter);
  if (c.classes & Unicode::kNumber) {
    std::size_t end = c.end;
    for (int n = 1; n < max_digits && !s.at_end(end); ++n) {
      const Scanner::Char next = s.at(end);
      if (!(next.classes & Unicode::kNumber)) break;
      end = next.end;
    }
    return end;
  }
  if (s.byte(i) == '\'')
    if (const std::size_t end = s.contraction(i, true); end > i) return end;
  const unsigned next = s.at_end(c.end) ? unsigned{Unicode::kSpace} : s.at(c.end).classes;
  if (!s.is_newline(i) && (next & Unicode::kLetter)) return s.run<true>(c.end, Unicode::kLetter);
  if (!(c.classes & Unicode::kSpace) || (s.byte(i) == ' ' && !(next & kNotSymbol)))
    return s.newlines(s.run<false>(c.end, kNotSymbol));

  std::size_t after_newline = 0;  // \s*[\r\n]+ reaches to the last newline of the white space
  std::size_t end = i;
  while (!s.at_end(end)) {
    const Scanner::Char space = s.at(end);
    if (!(space.classes & Unicode::kSpace)) break;
    if (s.is_newline(end)) after_newline = space.end;
    end = space.end;
  }
  return after_newline ? after_newline : s.white_space(i, end);
}

std::size_t gpt2(const Scanner& s, std::size_t i) {
  if (s.byte(i) == '\'')
    if (const std::size_t end = s.contraction(i, false); end > i) return end;
  Scanner::Char c = s.at(i);
  if (s.byte(i) == ' ' && !s.at_end(c.end)) {
    const Scanner::Char next = s.at(c.end);
    if (!(next.classes & Unicode::kSpace)) c = next;
  }
  if (c.classes & Unicode::kLetter) return s.run<true>(c.end, Unicode::kLetter);
  if (c.classes & Unicode::kNumber) return s.run<true>(c.end, Unicode::kNumber);
  if (!(c.classes & Unicode::kSpace)) return s.run<false>(c.end, kNotSymbol);
  return s.white_space(i, s.run<true>(i, Unicode::kSpace));
}

// Each character of `classes` alone, and what stands between them.
std::size_t isolate(const Scanner& s, std::size_t i, unsigned classes) {
  const Scanner::Char c = s.at(i);
  return c.classes & classes ? c.end : s.run<false>(c.end, classes);
}

std::size_t runs(const Scanner& s, std::size_t i, unsigned classes) {
  const Scanner::Char c = s.at(i);
  return c.classes & classes ? s.run<true>(c.end, classes) : s.run<false>(c.end, classes);
}

std::size_t space_runs(std::string_view text, std::size_t i) {
  const std::size_t word = text.find_first_not_of(' ', i);
  if (word == std::string_view::npos) return text.size();
  return std::min(text.find(' ', word), text.size());
}

}  // namespace

std::size_t Splitter::piece_end(const SplitRule& rule, std::string_view text,
                                std::size_t begin) const {
  const Scanner scanner(text, classes_);
  switch (rule.kind) {
    case SplitRule::Kind::kLlama3:
      return llama3(scanner, begin, rule.max_digits);
    case SplitRule::Kind::kGpt2:
      return gpt2(scanner, begin);
    case SplitRule::Kind::kEachNumber:
      return isolate(scanner, begin, Unicode::kNumber);
    case SplitRule::Kind::kEachNumeric:
      return isolate(scanner, begin, Unicode::kNumeric);
    case SplitRule::Kind::kNumericRuns:
      return runs(scanner, begin, Unicode::kNumeric);
    case SplitRule::Kind::kSpaceRuns:
      return space_runs(text, begin);
    case SplitRule::Kind::kEachSpace:
      return std::min(text.find(' ', begin + 1), text.size());
  }
  return text.size();
}

}  // namespace pronk
