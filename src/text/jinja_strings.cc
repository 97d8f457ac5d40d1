#include "text/jinja_strings.h"

#include <algorithm>

#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

constexpr char32_t kCapitalSigma = 0x3a3, kSmallSigma = 0x3c3, kFinalSigma = 0x3c2;

// A capital sigma becomes a final one after a letter and before none.
bool is_final_sigma(std::string_view text, std::size_t position) {
  for (std::size_t end = position; end > 0;) {
    const std::size_t begin = previous_char(text, end);
    const DecodedChar c = decode_char(text, begin);
    if (!(char_flags(c.code) & kCaseIgnorable)) {
      if (!is_cased(c.code)) return false;
      break;
    }
    if (begin == 0) return false;
    end = begin;
  }
  if (position == 0) return false;
  for (std::size_t i = position + 2; i < text.size();) {
    const DecodedChar c = decode_char(text, i);
    if (!(char_flags(c.code) & kCaseIgnorable)) return !is_cased(c.code);
    i += c.size;
  }
  return true;
}

void append_lower(std::string_view text, std::size_t position, char32_t c, std::string* out) {
  if (c == kCapitalSigma)
    append_utf8(is_final_sigma(text, position) ? kFinalSigma : kSmallSigma, out);
  else
    append_cased(c, Case::kLower, out);
}

// Maps every character by append(position, character, out).
template <class Append>
Text map_chars(const Text& text, Append append) {
  Text out;
  OwnCursor own(text);
  std::string mapped;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text.view(), i);
    mapped.clear();
    append(i, c.code, &mapped);
    out.append(mapped, own.at(i));
    i += c.size;
  }
  return out;
}

}  // namespace

Text to_upper(const Text& text) {
  return map_chars(
      text, [](std::size_t, char32_t c, std::string* out) { append_cased(c, Case::kUpper, out); });
}

Text to_lower(const Text& text) {
  return map_chars(text, [&](std::size_t i, char32_t c, std::string* out) {
    append_lower(text.view(), i, c, out);
  });
}

Text to_title(const Text& text) {
  bool in_word = false;
  return map_chars(text, [&](std::size_t i, char32_t c, std::string* out) {
    if (in_word)
      append_lower(text.view(), i, c, out);
    else
      append_cased(c, Case::kTitle, out);
    in_word = is_cased(c);
  });
}

Text to_capitalized(const Text& text) {
  return map_chars(text, [&](std::size_t i, char32_t c, std::string* out) {
    if (i == 0)
      append_cased(c, Case::kTitle, out);
    else
      append_lower(text.view(), i, c, out);
  });
}

Text swap_case(const Text& text) {
  return map_chars(text, [&](std::size_t i, char32_t c, std::string* out) {
    if (char_flags(c) & kUpper)
      append_lower(text.view(), i, c, out);
    else if (char_flags(c) & kLower)
      append_cased(c, Case::kUpper, out);
    else
      append_utf8(c, out);
  });
}

Text strip(const Text& text, Ends ends, std::optional<std::string_view> chars) {
  const std::string_view view = text.view();
  if (!chars) {
    const std::size_t begin = ends & kLeft ? skip_space(view, 0) : 0;
    return text.slice(begin, ends & kRight ? end_without_space(view, begin) : view.size());
  }
  const auto is_stripped = [&](char32_t c) {
    for (std::size_t i = 0; i < chars->size();) {
      const DecodedChar one = decode_char(*chars, i);
      if (one.code == c) return true;
      i += one.size;
    }
    return false;
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; (ends & kLeft) && i < view.size(); begin = i) {
    const DecodedChar c = decode_char(view, i);
    if (!is_stripped(c.code)) break;
    i += c.size;
  }
  if (!(ends & kRight)) return text.slice(begin, view.size());
  std::size_t end = begin;  // behind the last character that stays
  for (std::size_t i = begin; i < view.size();) {
    const DecodedChar c = decode_char(view, i);
    i += c.size;
    if (!is_stripped(c.code)) end = i;
  }
  return text.slice(begin, end);
}

namespace {

// The words between runs of white space: [begin, end) of each.
std::vector<ByteRange> words(std::string_view text) {
  std::vector<ByteRange> found;
  for (std::size_t i = skip_space(text, 0); i < text.size(); i = skip_space(text, i)) {
    const std::size_t begin = i;
    while (i < text.size()) {
      const DecodedChar c = decode_char(text, i);
      if (is_space(c.code)) break;
      i += c.size;
    }
    found.push_back({begin, i});
  }
  return found;
}

std::vector<Text> slices(const Text& text, const std::vector<ByteRange>& ranges) {
  std::vector<Text> parts;
  parts.reserve(ranges.size());
  for (const ByteRange& range : ranges) parts.push_back(text.slice(range.begin, range.end));
  return parts;
}

}  // namespace

std::vector<Text> split(const Text& text, std::optional<std::string_view> separator,
                        std::int64_t max_splits) {
  const std::string_view view = text.view();
  const auto most = max_splits < 0 ? text.size() + 1 : static_cast<std::size_t>(max_splits);
  std::vector<ByteRange> ranges;
  if (!separator) {
    ranges = words(view);
    if (ranges.size() > most) {
      ranges.resize(most + 1);
      ranges.back().end = view.size();
    }
    return slices(text, ranges);
  }
  std::size_t begin = 0;
  while (ranges.size() < most) {
    const std::size_t found = view.find(*separator, begin);
    if (found == std::string_view::npos) break;
    ranges.push_back({begin, found});
    begin = found + separator->size();
  }
  ranges.push_back({begin, view.size()});
  return slices(text, ranges);
}

std::vector<Text> split_from_right(const Text& text, std::optional<std::string_view> separator,
                                   std::int64_t max_splits) {
  const std::string_view view = text.view();
  const auto most = max_splits < 0 ? text.size() + 1 : static_cast<std::size_t>(max_splits);
  std::vector<ByteRange> ranges;
  if (!separator) {
    ranges = words(view);
    if (ranges.size() > most) {
      const std::size_t merged = ranges.size() - most;  // words that stay together at the left
      ranges.erase(ranges.begin(), ranges.begin() + static_cast<std::ptrdiff_t>(merged - 1));
      ranges.front().begin = 0;
    }
    return slices(text, ranges);
  }
  std::size_t end = view.size();
  while (ranges.size() < most && end >= separator->size()) {
    const std::size_t found = view.rfind(*separator, end - separator->size());
    if (found == std::string_view::npos) break;
    ranges.push_back({found + separator->size(), end});
    end = found;
  }
  ranges.push_back({0, end});
  std::reverse(ranges.begin(), ranges.end());
  return slices(text, ranges);
}

std::vector<Text> split_lines(const Text& text, bool keep_ends) {
  const std::string_view view = text.view();
  const auto is_line_end = [](char32_t c) {
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
  };
  std::vector<ByteRange> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < view.size();) {
    const DecodedChar c = decode_char(view, i);
    const std::size_t end = i;
    i += c.size;
    if (!is_line_end(c.code)) continue;
    if (c.code == '\r' && i < view.size() && view[i] == '\n') ++i;
    lines.push_back({begin, keep_ends ? i : end});
    begin = i;
  }
  if (begin < view.size()) lines.push_back({begin, view.size()});
  return slices(text, lines);
}

Text replace(const Text& text, std::string_view old, const Text& with, std::int64_t max_count) {
  const std::string_view view = text.view();
  Text out;
  std::size_t begin = 0;
  if (old.empty()) {  // before every character, and at the end
    for (std::size_t i = 0; max_count != 0 && i <= view.size(); --max_count) {
      out.append(with);
      const std::size_t next = i < view.size() ? i + decode_char(view, i).size : i + 1;
      out.append(text, i, std::min(next, view.size()));
      begin = i = next;
    }
    if (begin < view.size()) out.append(text, begin, view.size());
    return out;
  }
  for (; max_count != 0; --max_count) {
    const std::size_t found = view.find(old, begin);
    if (found == std::string_view::npos) break;
    out.append(text, begin, found);
    out.append(with);
    begin = found + old.size();
  }
  out.append(text, begin, view.size());
  return out;
}

Result<Value> replace_within(Runtime& run, const Text& text, std::string_view old, const Text& with,
                             std::int64_t max_count) {
  const std::int64_t places = count_of(text.view(), old);
  const auto times = static_cast<std::size_t>(max_count < 0 ? places : std::min(places, max_count));
  PRONK_TRY(run.spend_bytes(text.size() + times * with.size()));
  PRONK_TRY(run.spend(static_cast<std::int64_t>(times)));
  return Value(replace(text, old, with, max_count));
}

std::int64_t count_of(std::string_view text, std::string_view part) {
  if (part.empty()) return static_cast<std::int64_t>(count_chars(text)) + 1;
  std::int64_t count = 0;
  for (std::size_t i = text.find(part); i != std::string_view::npos;
       i = text.find(part, i + part.size()))
    ++count;
  return count;
}

bool has_only_case(std::string_view text, CharFlag wanted, CharFlag other) {
  bool any = false;
  for (std::size_t i = 0; i < text.size();) {
    const DecodedChar c = decode_char(text, i);
    if (char_flags(c.code) & (other | kTitle)) return false;
    any = any || (char_flags(c.code) & wanted);
    i += c.size;
  }
  return any;
}

std::size_t char_offset(std::string_view text, std::int64_t index) {
  std::size_t offset = 0;
  for (; index > 0 && offset < text.size(); --index) offset += decode_char(text, offset).size;
  return offset;
}

std::int64_t char_index(std::string_view text, std::size_t offset) {
  return static_cast<std::int64_t>(count_chars(text.substr(0, offset)));
}

Text padded(const Text& text, std::int64_t width, const Text& fill, Align align) {
  const std::int64_t missing = width - static_cast<std::int64_t>(count_chars(text.view()));
  if (missing <= 0) return text;
  const std::int64_t left = align == Align::kLeft    ? 0
                            : align == Align::kRight ? missing
                                                     : missing / 2 + (missing & width & 1);
  Text out;
  for (std::int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(text);
  for (std::int64_t i = left; i < missing; ++i) out.append(fill);
  return out;
}

}  // namespace pronk::jinja
