#include "engine/ngram_drafter.h"

#include <gtest/gtest.h>

namespace pronk {
namespace {

using Tokens = std::vector<TokenId>;

TEST(NgramDrafter, ProposesWhatFollowedTheSameWordsLast) {
  NgramIndex index;
  const Tokens text = {1, 2, 3, 50, 51, 1, 2, 3, 60, 61, 62, 63, 64, 1, 2, 3};
  EXPECT_EQ(index.continuation(text, 3), (Tokens{60, 61, 62}));
  EXPECT_EQ(index.continuation(text, 0), Tokens{});
}

TEST(NgramDrafter, PrefersTheLongerMatch) {
  NgramIndex index;
  const Tokens text = {9, 8, 7, 1, 2, 3, 50, 1, 2, 3, 60, 9, 8, 7, 1, 2, 3};
  EXPECT_EQ(index.continuation(text, 1), Tokens{50});
}

TEST(NgramDrafter, ARepetitionGoesOn) {
  NgramIndex index;
  EXPECT_EQ(index.continuation(Tokens{4, 5, 4, 5, 4}, 4), (Tokens{5, 4, 5, 4}));
}

TEST(NgramDrafter, SaysNothingWithoutAMatch) {
  NgramIndex index;
  Tokens text;
  EXPECT_EQ(index.continuation(text, 4), Tokens{});
  for (TokenId t = 0; t < 100; ++t) {
    text.push_back(t);
    EXPECT_EQ(index.continuation(text, 4), Tokens{}) << t;
  }
}

TEST(NgramDrafter, KeepsTextsApartAndForgetsThem) {
  NgramDrafter drafter;
  const Tokens a = {1, 2, 3, 50, 1, 2, 3}, b = {1, 2, 3, 60, 1, 2, 3};
  Tokens of_a, of_b;
  std::vector<DraftRequest> requests = {{.id = 1, .tokens = a, .most = 1, .draft = &of_a},
                                        {.id = 2, .tokens = b, .most = 1, .draft = &of_b}};
  drafter.propose(requests);
  EXPECT_EQ(of_a, Tokens{50});
  EXPECT_EQ(of_b, Tokens{60});
  drafter.forget(1);
  requests[0].tokens = std::span(a).last(3);  // another text under the id
  drafter.propose(std::span(requests).first(1));
  EXPECT_EQ(of_a, Tokens{});
}

}  // namespace
}  // namespace pronk
