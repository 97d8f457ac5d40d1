#include "engine/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"

namespace pronk {
namespace {

using ::testing::HasSubstr;

constexpr CapacityFacts kFacts = {
    .model_context = 1024, .page_bytes = 1000, .available_bytes = 1000000};

TEST(Capacity, TheModelsContextForAllSequencesWhereMemoryAllows) {
  const auto c = choose_capacity(kFacts, {.max_sequences = 4});
  ASSERT_OK(c);
  EXPECT_EQ(c->context, 1024);
  EXPECT_EQ(c->num_pages, 4 * 32 + 1);
}

TEST(Capacity, ManySequencesTakeAtMostHalfTheMemory) {
  const auto c = choose_capacity(kFacts, {.max_sequences = 100});
  ASSERT_OK(c);
  EXPECT_EQ(c->num_pages, 500);
}

TEST(Capacity, AShortMemoryShortensTheContextUnlessOneWasAskedFor) {
  CapacityFacts small = kFacts;
  small.available_bytes = 20500;
  const auto c = choose_capacity(small, {});
  ASSERT_OK(c);
  EXPECT_EQ(c->context, 19 * 32);
  EXPECT_EQ(c->num_pages, 20);
  const auto refused = choose_capacity(small, {.context = 640});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("ask for at most 608"));
  EXPECT_OK(choose_capacity(small, {.context = 608}));
}

TEST(Capacity, NoMemoryAndTooLongAContextAreErrors) {
  CapacityFacts none = kFacts;
  none.available_bytes = -5;
  EXPECT_EQ(choose_capacity(none, {}).error().code, Code::kResourceExhausted);
  const auto refused = choose_capacity(kFacts, {.context = 2000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message,
              HasSubstr("2000 tokens was asked for, the model allows 1024"));
}

}  // namespace
}  // namespace pronk
