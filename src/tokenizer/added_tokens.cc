#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "text/utf8.h"

namespace pronk {

SpecialRanges SpecialRanges::join(std::span<const ByteRange> ranges) {
  std::vector<ByteRange> joined;
  for (const ByteRange& r : ranges) {
    if (r.begin >= r.end) continue;
    if (!joined.empty() && r.begin <= joined.back().end)
      joined.back().end = std::max(joined.back().end, r.end);
    else
      joined.push_back(r);
  }
  return SpecialRanges(std::move(joined));
}

bool SpecialRanges::contain(std::size_t begin, std::size_t end) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), begin,
                       [](std::size_t b, const ByteRange& r) { return b < r.begin; });
  return after != ranges_.begin() && end <= std::prev(after)->end;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i)
    trie_.insert(tokens_[i].text, static_cast<std::int32_t>(i));
}

std::vector<Segment> AddedTokens::find(std::string_view text, const SpecialRanges& specials) const {
  std::vector<Segment> segments;
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!trie_.may_begin(static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    const AddedToken* found = nullptr;
    trie_.for_each_prefix(text, i, [&](std::size_t length, std::int32_t index) {
      const AddedToken& token = tokens_[static_cast<std::size_t>(index)];
      const bool allowed = (!token.special || specials.contain(i, i + length)) &&
                           (!token.single_word || stands_alone(text, i, i + length));
      if (allowed) found = &token;
      return true;
    });
    if (!found) {
      ++i;
      continue;
    }
    const std::size_t begin = found->strips_left ? white_space_before(text, i, done) : i;
    i += found->text.size();
    if (found->strips_right) i = white_space_after(text, i);
    if (done < begin) segments.push_back({done, begin, kNoToken});
    segments.push_back({begin, i, found->id});
    done = i;
  }
  if (done < text.size()) segments.push_back({done, text.size(), kNoToken});
  return segments;
}

bool AddedTokens::stands_alone(std::string_view text, std::size_t begin, std::size_t end) const {
  const auto is_word = [](char32_t c) {
    return (UnicodeClasses::get().of(c) & UnicodeClasses::kWord) != 0;
  };
  return (begin == 0 || !is_word(decode_last_utf8(text.substr(0, begin)).code_point)) &&
         (end == text.size() || !is_word(decode_utf8(text, end).code_point));
}

std::size_t AddedTokens::white_space_before(std::string_view text, std::size_t end,
                                            std::size_t limit) const {
  while (end > limit) {
    const Utf8Char c = decode_last_utf8(text.substr(limit, end - limit));
    if (!(UnicodeClasses::get().of(c.code_point) & UnicodeClasses::kSpace)) break;
    end -= static_cast<std::size_t>(c.length);
  }
  return end;
}

std::size_t AddedTokens::white_space_after(std::string_view text, std::size_t begin) const {
  while (begin < text.size()) {
    const Utf8Char c = decode_utf8(text, begin);
    if (!(UnicodeClasses::get().of(c.code_point) & UnicodeClasses::kSpace)) break;
    begin += static_cast<std::size_t>(c.length);
  }
  return begin;
}

}  // namespace pronk
