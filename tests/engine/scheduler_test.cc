#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <deque>
#include <numeric>

namespace pronk {
namespace {

struct World {
  World(int num_pages, const SchedulerLimits& limits) : pool(num_pages), scheduler(pool, limits) {}

  Sequence& add(int num_tokens, TokenId first = 0, const std::string& cache_namespace = "") {
    Sequence& s = sequences.emplace_back();
    s.id = sequences.size();
    s.tokens.resize(static_cast<std::size_t>(num_tokens));
    std::iota(s.tokens.begin(), s.tokens.end(), first);
    s.cache_namespace = cache_namespace;
    scheduler.add(s);
    return s;
  }
  // Plans a step, "computes" it, and lets every sequence that caught up grow by one token.
  StepPlan step() {
    StepPlan plan = scheduler.plan();
    for (const Share& share : plan.shares) {
      const bool completes = share.completes();
      scheduler.computed(share);
      if (completes) share.sequence->tokens.push_back(7);
    }
    EXPECT_EQ(pool.inconsistency(), "");
    return plan;
  }
  static int given(const StepPlan& plan, const Sequence& s) {
    for (const Share& share : plan.shares)
      if (share.sequence == &s) return share.num_tokens;
    return 0;
  }

  std::deque<Sequence> sequences;
  PagePool pool;
  Scheduler scheduler;
};

TEST(Scheduler, ReadsALongPromptInChunksOfTheBudget) {
  World w(20, {.max_batch_tokens = 100});
  Sequence& s = w.add(250);
  EXPECT_EQ(World::given(w.step(), s), 100);
  EXPECT_EQ(World::given(w.step(), s), 100);
  EXPECT_EQ(World::given(w.step(), s), 50);
  EXPECT_EQ(World::given(w.step(), s), 1);
}

TEST(Scheduler, DraftsTakeWhatIsLeftOfAStepAndOfThePages) {
  World w(4, {.max_batch_tokens = 40, .max_draft_tokens = 8});
  Sequence& s = w.add(30);
  s.draft.assign(15, 3);
  StepPlan plan = w.scheduler.plan();
  ASSERT_EQ(plan.shares.size(), 1u);
  EXPECT_EQ(plan.shares[0].num_tokens, 30);
  EXPECT_EQ(plan.shares[0].num_draft, 8) << "of the step's most";
  w.scheduler.computed(plan.shares[0]);
  EXPECT_EQ(s.num_computed, 30) << "a draft is not computed until it is confirmed";
  EXPECT_EQ(s.num_published, 0);

  World tight(3, {.max_batch_tokens = 64, .max_draft_tokens = 15});
  tight.add(60).draft.assign(15, 3);
  plan = tight.scheduler.plan();
  EXPECT_EQ(plan.shares[0].num_draft, 4) << "the last page stays free";
}

TEST(Scheduler, SequencesThatLackOneTokenGoFirst) {
  World w(40, {.max_batch_tokens = 64});
  Sequence& old = w.add(300, 0);
  Sequence& young = w.add(10, 5000);
  w.step();
  w.scheduler.remove(old);
  while (young.num_pending() != 1) w.step();
  Sequence& late = w.add(300, 9000);
  const StepPlan plan = w.step();
  ASSERT_EQ(plan.shares.size(), 2u);
  EXPECT_EQ(plan.shares[0].sequence, &young);
  EXPECT_EQ(World::given(plan, late), 63);
}

TEST(Scheduler, AdmitsOnlyWithOnePageToSpareAndInOrder) {
  World w(10, {});
  Sequence& first = w.add(5 * 32, 0);
  Sequence& second = w.add(5 * 32, 1000);  // needs 5 + 1, there are 5
  Sequence& third = w.add(10, 2000);       // would fit, but does not overtake
  const StepPlan plan = w.step();
  EXPECT_EQ(World::given(plan, first), 160);
  EXPECT_EQ(World::given(plan, second) + World::given(plan, third), 0);
  EXPECT_EQ(w.scheduler.num_waiting(), 2);
  w.scheduler.remove(first);
  const StepPlan next = w.step();
  EXPECT_EQ(World::given(next, second), 160);
  EXPECT_EQ(World::given(next, third), 10);
}

TEST(Scheduler, PreemptsTheYoungestWhenPagesRunOut) {
  World w(6, {});
  Sequence& old = w.add(2 * 32 - 1, 0);
  Sequence& young = w.add(2 * 32 - 1, 1000);
  int preempted = 0;
  for (int i = 0; i < 70; ++i) preempted += w.step().num_preempted;
  EXPECT_EQ(preempted, 1);
  EXPECT_EQ(young.num_computed, 0);
  EXPECT_GT(old.num_computed, 4 * 32);
  w.scheduler.remove(old);
  const StepPlan again = w.step();
  EXPECT_GT(young.num_from_cache, 0) << "its own pages are found again";
  EXPECT_EQ(World::given(again, young), young.num_computed - young.num_from_cache);
}

TEST(Scheduler, ALaterPromptTakesOverTheFullPagesOfAnEarlierOne) {
  World w(20, {});
  Sequence& a = w.add(100, 0);
  w.step();
  Sequence& same = w.add(100, 0);
  Sequence& other = w.add(100, 1);
  Sequence& foreign = w.add(100, 0, "another namespace");
  w.step();
  EXPECT_EQ(same.num_from_cache, 96);
  EXPECT_EQ(same.pages[2], a.pages[2]);
  EXPECT_NE(same.pages[3], a.pages[3]);
  EXPECT_EQ(other.num_from_cache, 0);
  EXPECT_EQ(foreign.num_from_cache, 0);
}

TEST(Scheduler, TheLastTokenIsComputedEvenIfItsPageIsKnown) {
  World w(20, {});
  Sequence& a = w.add(65, 0);
  w.step();
  w.scheduler.remove(a);
  Sequence& b = w.add(64, 0);
  EXPECT_EQ(World::given(w.step(), b), 32);
}

TEST(Scheduler, WithoutPrefixCacheNothingIsShared) {
  World w(20, {.prefix_cache = false});
  w.add(100, 0);
  w.step();
  Sequence& same = w.add(100, 0);
  EXPECT_EQ(World::given(w.step(), same), 100);
}

TEST(Scheduler, NoShareHoldsTokensOfPromptsAndOfReplies) {
  World w(20, {});
  Sequence& s = w.add(100);
  s.prompts = {{0, 40}, {70, 100}};
  EXPECT_EQ(World::given(w.step(), s), 40);
  Sequence& later = w.add(10, 500);
  later.prompts = {{0, 10}};
  const StepPlan mixed = w.step();
  EXPECT_EQ(World::given(mixed, s), 30);
  EXPECT_EQ(mixed.shares.front().sequence, &later) << "what reads a prompt comes first";
  EXPECT_EQ(World::given(w.step(), s), 30);
  EXPECT_EQ(World::given(w.step(), s), 1) << "of its reply";
}

TEST(Scheduler, OnlyTokensOfTheSameKindShareAPage) {
  World w(40, {});
  w.add(100).prompts = {{0, 100}};
  w.step();
  Sequence& conversation = w.add(100);
  conversation.prompts = {{0, 40}, {70, 100}};
  for (int i = 0; i < 3; ++i) w.step();
  EXPECT_EQ(conversation.num_from_cache, 32) << "the page before its reply";
  Sequence& same = w.add(100);
  same.prompts = conversation.prompts;
  w.step();
  EXPECT_EQ(same.num_from_cache, 96);
}

TEST(Scheduler, FollowersOfALeaderReadItsPromptOnce) {
  World w(40, {.max_batch_tokens = 64});
  Sequence& leader = w.add(200, 0);
  Sequence& follower = w.add(1, 0);
  w.scheduler.remove(follower);
  follower.tokens = leader.tokens;
  follower.leader = &leader;
  w.scheduler.add(follower);
  Sequence& other = w.add(10, 5000);  // is not held up
  int computed_for_follower = 0;
  for (int i = 0; i < 5; ++i) computed_for_follower += World::given(w.step(), follower);
  EXPECT_EQ(follower.num_from_cache, 199) << "six pages and a copy of seven tokens";
  EXPECT_LE(computed_for_follower, 1 + 4);
  EXPECT_GT(other.num_computed, 10);
}

TEST(Scheduler, AFollowersLastPageIsACopyOfItsOwn) {
  World w(10, {});
  Sequence& leader = w.add(40, 0);
  Sequence& follower = w.add(1, 0);
  w.scheduler.remove(follower);
  follower.tokens = leader.tokens;
  follower.leader = &leader;
  w.scheduler.add(follower);
  EXPECT_TRUE(w.step().copies.empty());
  const StepPlan plan = w.step();
  ASSERT_EQ(plan.copies.size(), 1u);
  EXPECT_EQ(plan.copies[0].from, leader.pages[1]);
  EXPECT_EQ(plan.copies[0].to, follower.pages[1]);
  EXPECT_NE(leader.pages[1], follower.pages[1]);
  EXPECT_EQ(leader.pages[0], follower.pages[0]);
  EXPECT_EQ(World::given(plan, follower), 1);
}

TEST(Scheduler, AFollowerOutlivesItsLeader) {
  World w(40, {.max_batch_tokens = 64});
  Sequence& leader = w.add(200, 0);
  Sequence& follower = w.add(1, 0);
  w.scheduler.remove(follower);
  follower.tokens = leader.tokens;
  follower.leader = &leader;
  w.scheduler.add(follower);
  w.step();
  w.scheduler.remove(leader);
  w.step();
  EXPECT_EQ(follower.num_from_cache, 64);
  EXPECT_EQ(w.scheduler.num_running(), 1);
}

TEST(Scheduler, NoMoreSequencesRunThanAllowed) {
  World w(100, {.max_sequences = 2});
  for (int i = 0; i < 4; ++i) w.add(5, 100 * i);
  w.step();
  EXPECT_EQ(w.scheduler.num_running(), 2);
  EXPECT_EQ(w.scheduler.num_waiting(), 2);
}

}  // namespace
}  // namespace pronk
