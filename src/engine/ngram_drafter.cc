#include "engine/ngram_drafter.h"

#include <algorithm>
#include <optional>

#include "base/rng.h"

namespace pronk {
namespace {

constexpr int kMostSilence = 64;

std::span<const TokenId> words_before(std::span<const TokenId> tokens, std::size_t end,
                                      std::size_t length) {
  return tokens.subspan(end - length, length);
}

std::uint64_t hash_of(std::span<const TokenId> words) {
  std::uint64_t hash = words.size();
  for (const TokenId word : words) hash = random_bits(hash, static_cast<std::uint64_t>(word));
  return hash;
}

}  // namespace

void NgramDrafter::read(std::span<const TokenId> tokens) {
  for (; num_read_ < tokens.size(); ++num_read_)
    for (std::size_t i = 0; i < kLengths.size(); ++i)
      if (num_read_ >= kLengths[i])
        followed_by_[i][hash_of(words_before(tokens, num_read_, kLengths[i]))] = num_read_;
}

std::vector<TokenId> NgramDrafter::propose(std::span<const TokenId> tokens, int most) {
  read(tokens);
  if (silence_ > 0) {
    --silence_;
    return {};
  }
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < kLengths.size() && !found; ++i) {
    if (tokens.size() < kLengths[i]) continue;
    const auto words = words_before(tokens, tokens.size(), kLengths[i]);
    const auto at = followed_by_[i].find(hash_of(words));
    if (at == followed_by_[i].end()) continue;
    if (std::ranges::equal(words, words_before(tokens, at->second, kLengths[i])))
      found = at->second;
  }
  std::vector<TokenId> draft;
  if (!found) return draft;
  const auto num_drafted = static_cast<std::size_t>(std::clamp(most, 0, length_));
  for (std::size_t i = 0; i < num_drafted; ++i) {  // a text that repeats itself goes on to do so
    const std::size_t from = *found + i;
    draft.push_back(from < tokens.size() ? tokens[from] : draft[from - tokens.size()]);
  }
  return draft;
}

void NgramDrafter::verified(int num_drafted, int num_accepted) {
  if (num_drafted == 0) return;
  if (num_accepted == num_drafted) {
    length_ = std::min(2 * length_, kMostTokens);
    patience_ = 1;
  } else if (num_accepted > 0) {
    length_ = num_accepted + 1;
    patience_ = 1;
  } else {
    length_ = 2;
    silence_ = patience_;
    patience_ = std::min(2 * patience_, kMostSilence);
  }
}

}  // namespace pronk
