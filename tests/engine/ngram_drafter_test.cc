#include "engine/ngram_drafter.h"

#include <gtest/gtest.h>

namespace pronk {
namespace {

using Tokens = std::vector<TokenId>;

TEST(NgramDrafter, ProposesWhatFollowedTheSameWordsLast) {
  NgramDrafter drafter;
  const Tokens text = {1, 2, 3, 50, 51, 1, 2, 3, 60, 61, 62, 63, 64, 1, 2, 3};
  EXPECT_EQ(drafter.propose(text, 3), (Tokens{60, 61, 62}));
  EXPECT_EQ(drafter.propose(text, 0), Tokens{});
}

TEST(NgramDrafter, PrefersTheLongerMatch) {
  NgramDrafter drafter;
  const Tokens text = {9, 8, 7, 1, 2, 3, 50, 1, 2, 3, 60, 9, 8, 7, 1, 2, 3};
  EXPECT_EQ(drafter.propose(text, 1), Tokens{50});
}

TEST(NgramDrafter, ARepetitionGoesOn) {
  NgramDrafter drafter;
  EXPECT_EQ(drafter.propose(Tokens{4, 5, 4, 5, 4}, 4), (Tokens{5, 4, 5, 4}));
}

TEST(NgramDrafter, SaysNothingWithoutAMatch) {
  NgramDrafter drafter;
  Tokens text;
  EXPECT_EQ(drafter.propose(text, 4), Tokens{});
  for (TokenId t = 0; t < 100; ++t) {
    text.push_back(t);
    EXPECT_EQ(drafter.propose(text, 4), Tokens{}) << t;
  }
}

TEST(NgramDrafter, ItsLengthFollowsWhatCameTrue) {
  NgramDrafter drafter;
  const Tokens text(40, 7);
  const auto length = [&] { return static_cast<int>(drafter.propose(text, 100).size()); };
  EXPECT_EQ(length(), 4);
  drafter.verified(4, 4);
  EXPECT_EQ(length(), 8);
  drafter.verified(8, 8);
  EXPECT_EQ(length(), NgramDrafter::kMostTokens);
  drafter.verified(15, 4);
  EXPECT_EQ(length(), 5);
}

TEST(NgramDrafter, FailuresMakeItSilentForLongerAndLonger) {
  NgramDrafter drafter;
  const Tokens text(40, 7);
  int proposals = 0;
  for (int call = 0; call < 1000; ++call) {
    const Tokens draft = drafter.propose(text, 100);
    proposals += !draft.empty();
    drafter.verified(static_cast<int>(draft.size()), 0);
  }
  EXPECT_LT(proposals, 30);
  EXPECT_GT(proposals, 10) << "it tries again";
}

}  // namespace
}  // namespace pronk
