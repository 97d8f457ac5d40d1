// Guesses what follows a text from what followed the same words earlier in it: an edit or a
// quotation repeats much of its prompt. Guesses cost a row each to verify, so their number follows
// how many came true, and after a failure the drafter is silent for a while, longer each time.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "pronk/types.h"

namespace pronk {

// One text, which only grows. One thread at a time.
class NgramDrafter {
 public:
  static constexpr int kMostTokens = 15;  // with the token before them one block of 16 rows

  // The likely next tokens, at most `most`, none when nothing alike came before. `tokens` is the
  // text so far; only what is new since the last call is read.
  std::vector<TokenId> propose(std::span<const TokenId> tokens, int most);
  // Of the last proposal so many were computed, and so many of those came true.
  void verified(int num_drafted, int num_accepted);

 private:
  static constexpr std::array<std::size_t, 2> kLengths = {6, 3};  // of the words looked for
  void read(std::span<const TokenId> tokens);

  // By a hash of the words: where the token lies that followed them last.
  std::array<std::unordered_map<std::uint64_t, std::size_t>, kLengths.size()> followed_by_;
  std::size_t num_read_ = 0;
  int length_ = 4;    // of the next proposal
  int silence_ = 0;   // calls yet without one
  int patience_ = 1;  // the silence after the next failure
};

}  // namespace pronk
