#include "text/jinja_unicode.h"

#include <algorithm>
#include <iterator>

namespace pronk::jinja {
namespace {

struct FlagRun {  // from `first` to the next run
  char32_t first;
  std::uint16_t flags;
};
struct CaseRun {  // every step-th character of [first, last]: what is added to it
  char32_t first, last;
  std::uint8_t step;
  std::int32_t upper, lower, title;
};
struct SpecialCase {
  char32_t code;
  std::string_view upper, lower, title;
};

#include "text/jinja_unicode_table.inc"

char32_t simple_case(char32_t c, Case to) {
  const CaseRun* run = std::lower_bound(std::begin(kCaseRuns), std::end(kCaseRuns), c,
                                        [](const CaseRun& r, char32_t x) { return r.last < x; });
  if (run == std::end(kCaseRuns) || c < run->first || (c - run->first) % run->step != 0) return c;
  const std::int32_t delta = to == Case::kUpper   ? run->upper
                             : to == Case::kLower ? run->lower
                                                  : run->title;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + delta);
}

}  // namespace

std::uint16_t char_flags(char32_t c) {
  if (c > 0x10ffff) return 0;
  const FlagRun* next = std::upper_bound(std::begin(kFlagRuns), std::end(kFlagRuns), c,
                                         [](char32_t x, const FlagRun& r) { return x < r.first; });
  return std::prev(next)->flags;
}

void append_cased(char32_t c, Case to, std::string* out) {
  const SpecialCase* special =
      std::lower_bound(std::begin(kSpecialCases), std::end(kSpecialCases), c,
                       [](const SpecialCase& s, char32_t x) { return s.code < x; });
  if (special != std::end(kSpecialCases) && special->code == c) {
    *out += to == Case::kUpper   ? special->upper
            : to == Case::kLower ? special->lower
                                 : special->title;
    return;
  }
  append_utf8(simple_case(c, to), out);
}

void append_utf8(char32_t c, std::string* out) {
  const auto put = [&](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x110000) {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(c - 0x110000);  // a byte that decode_char() could not read
  }
}

DecodedChar decode_char(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) {
    return position + i < text.size() ? static_cast<unsigned char>(text[position + i]) : 0u;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  char32_t code = size == 4 ? lead & 0x07 : size == 3 ? lead & 0x0f : lead & 0x1f;
  bool valid = lead >= 0xc2 && lead < 0xf5;
  for (std::size_t i = 1; i < size; ++i) {
    valid = valid && (byte(i) & 0xc0) == 0x80;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (!valid || code < kSmallest[size] || code > 0x10ffff) return {0x110000 + lead, 1};
  return {code, size};
}

std::size_t count_chars(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); i += decode_char(text, i).size) ++count;
  return count;
}

std::size_t skip_space(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const DecodedChar c = decode_char(text, begin);
    if (!is_space(c.code)) break;
    begin += c.size;
  }
  return begin;
}

std::size_t previous_char(std::string_view text, std::size_t end) {
  for (std::size_t size = 2; size <= 4 && size <= end; ++size)  // longer than a byte, if that fits
    if (decode_char(text, end - size).size == size) return end - size;
  return end - 1;
}

std::size_t end_without_space(std::string_view text, std::size_t begin) {
  std::size_t end = text.size();
  while (end > begin) {
    const std::size_t start = previous_char(text, end);
    if (start < begin || !is_space(decode_char(text, start).code)) break;
    end = start;
  }
  return end;
}

}  // namespace pronk::jinja
