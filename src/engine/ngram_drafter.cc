#include "engine/ngram_drafter.h"

#include <algorithm>
#include <optional>

#include "base/rng.h"

namespace pronk {
namespace {

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

void NgramIndex::read(std::span<const TokenId> tokens) {
  for (; num_read_ < tokens.size(); ++num_read_)
    for (std::size_t i = 0; i < kLengths.size(); ++i)
      if (num_read_ >= kLengths[i])
        followed_by_[i][hash_of(words_before(tokens, num_read_, kLengths[i]))] = num_read_;
}

std::vector<TokenId> NgramIndex::continuation(std::span<const TokenId> tokens, int most) {
  read(tokens);
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
  for (std::size_t i = 0; i < static_cast<std::size_t>(most);
       ++i) {  // a text that repeats itself goes on to do so
    const std::size_t from = *found + i;
    draft.push_back(from < tokens.size() ? tokens[from] : draft[from - tokens.size()]);
  }
  return draft;
}

DraftCost NgramDrafter::propose(std::span<DraftRequest> requests) {
  for (DraftRequest& r : requests) *r.draft = texts_[r.id].continuation(r.tokens, r.most);
  return {};
}

}  // namespace pronk
