#include "tokenizer/normalizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "text/utf8.h"

namespace pronk {

namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // ▁, U+2581

// One unit of darts-clone's double array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label(std::uint32_t unit) { return unit & (0x80000000u | 0xFF); }
std::uint32_t offset(std::uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

}  // namespace

Result<CharacterMap> CharacterMap::parse(std::string_view bytes) {
  std::uint32_t trie_bytes = 0;
  if (bytes.size() < 4)
    return error(Code::kCorruptData,
                 fmt::format("precompiled_charsmap: {} bytes, at least 4 needed", bytes.size()));
  std::memcpy(&trie_bytes, bytes.data(), 4);
  if (trie_bytes % 4 != 0 || trie_bytes > bytes.size() - 4)
    return error(Code::kCorruptData, fmt::format("precompiled_charsmap: a trie of {} bytes in {}",
                                                 trie_bytes, bytes.size()));
  CharacterMap map;
  map.units_.resize(trie_bytes / 4);
  if (trie_bytes > 0) std::memcpy(map.units_.data(), bytes.data() + 4, trie_bytes);
  map.replacements_ = bytes.substr(4 + trie_bytes);
  return map;
}

CharacterMap::Match CharacterMap::longest_match(std::string_view text, std::size_t position) const {
  Match best;
  if (units_.empty()) return best;
  std::uint32_t node = offset(units_[0]);
  for (std::size_t i = position; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label(units_[node]) != byte) break;
    const std::uint32_t unit = units_[node];
    node ^= offset(unit);
    if (node >= units_.size()) break;
    if (!has_leaf(unit)) continue;
    const std::uint32_t begin = leaf_value(units_[node]);
    if (begin > replacements_.size()) continue;
    const std::string_view rest = std::string_view(replacements_).substr(begin);
    best = {i + 1 - position, rest.substr(0, rest.find('\0'))};
  }
  return best;
}

// The next stretch of text and what it becomes: a kept symbol, a rule's replacement, or one
// character. (sentencepiece makes U+FFFD of an ill-formed byte; here it stays, so that decoding
// gives it back.)
Normalizer::Step Normalizer::next(std::string_view text, std::size_t position) const {
  std::size_t length = 0;
  kept.for_each_prefix(text, position, [&](std::size_t size, std::int32_t) {
    length = size;
    return true;
  });
  if (length > 0) return {length, text.substr(position, length)};
  if (const CharacterMap::Match match = map.longest_match(text, position); match.length > 0)
    return {match.length, match.replacement};
  length = static_cast<std::size_t>(decode_utf8(text, position).length);
  return {length, text.substr(position, length)};
}

std::string Normalizer::apply(std::string_view text, bool first) const {
  std::string out;
  std::size_t i = 0;
  while (remove_extra_spaces && i < text.size()) {
    const Step step = next(text, i);
    if (step.text != " ") break;
    i += step.length;
  }
  if (i >= text.size()) return out;
  out.reserve(text.size() - i + 1);
  const bool adds_space =
      (space_prefix == Prefix::kAlways || (space_prefix == Prefix::kFirst && first)) &&
      !(prefix_unless_space &&
        (text[i] == ' ' || (spaces && text.substr(i).starts_with(kSpaceSymbol))));
  if (adds_space && !prefix_is_suffix) out.push_back(' ');

  const bool plain = map.empty() && !remove_extra_spaces;  // only ▁ changes
  bool after_space = remove_extra_spaces;
  while (i < text.size()) {
    if (plain) {
      const std::size_t symbol =
          spaces ? std::min(text.find(kSpaceSymbol, i), text.size()) : text.size();
      out += text.substr(i, symbol - i);
      if (symbol < text.size()) out.push_back(' ');
      i = std::min(symbol + kSpaceSymbol.size(), text.size());
      continue;
    }
    Step step = next(text, i);
    i += step.length;
    while (after_space && step.text.starts_with(' ')) step.text.remove_prefix(1);
    if (step.text.empty()) continue;
    after_space = remove_extra_spaces && step.text.back() == ' ';
    for (std::size_t k = 0; k < step.text.size();) {
      const bool symbol = spaces && step.text.substr(k).starts_with(kSpaceSymbol);
      out.push_back(symbol ? ' ' : step.text[k]);
      k += symbol ? kSpaceSymbol.size() : 1;
    }
  }
  while (remove_extra_spaces && out.ends_with(' ')) out.pop_back();
  if (adds_space && prefix_is_suffix) out.push_back(' ');
  return out;
}

}  // namespace pronk
