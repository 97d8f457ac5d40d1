// Guesses what follows a text from what followed the same words earlier in it: an edit or a
// quotation repeats much of its prompt.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/drafter.h"

namespace pronk {

// One text, which only grows: where its words stood last.
class NgramIndex {
 public:
  // The likely next tokens, at most `most`, none when nothing alike came before. `tokens` is the
  // text so far; only what is new since the last call is read.
  std::vector<TokenId> continuation(std::span<const TokenId> tokens, int most);

 private:
  static constexpr std::array<std::size_t, 2> kLengths = {6, 3};  // of the words looked for
  void read(std::span<const TokenId> tokens);

  // By a hash of the words: where the token lies that followed them last.
  std::array<std::unordered_map<std::uint64_t, std::size_t>, kLengths.size()> followed_by_;
  std::size_t num_read_ = 0;
};

class NgramDrafter final : public Drafter {
 public:
  DraftCost propose(std::span<DraftRequest> requests) override;
  void forget(std::uint64_t id) override { texts_.erase(id); }
  double expected_cost() const override { return 0; }

 private:
  std::unordered_map<std::uint64_t, NgramIndex> texts_;
};

}  // namespace pronk
