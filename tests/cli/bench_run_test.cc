// The runs of `bench`, on a model that computes next to nothing.
#include "cli/bench_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "../engine/fake_model.h"
#include "support.h"

namespace pronk::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kVocab = 50;

Result<BenchRuns> run(const BenchSetup& setup, TokenId poison) {
  FakeRunner runner(kVocab, setup.num_sequences * setup.pages_each());
  runner.poison = poison;
  Console console({.quiet = true});
  return run_bench(console, runner, setup, kVocab, 2);
}

TEST(BenchRun, TimesEveryRepetitionAndCountsTheStepsOfOne) {
  const BenchSetup setup{.num_prompt = 40,
                         .num_predict = 3,
                         .num_sequences = 2,
                         .num_threads = 1,
                         .max_batch_tokens = 16};
  const auto runs = run(setup, -1);
  ASSERT_OK(runs);
  EXPECT_THAT(runs->timings, SizeIs(2));
  EXPECT_GT(runs->median.prefill_tps, 0);
  EXPECT_GT(runs->median.decode_tps, 0);
  EXPECT_GT(runs->median.first_token_ms, 0);
  EXPECT_THAT(runs->costs.prefill, SizeIs(2 * 3));
  EXPECT_THAT(runs->costs.decode, SizeIs(3));
}

TEST(BenchRun, ANanLogitEndsIt) {
  const std::vector<TokenId> prompt = {1, 2, 3};
  const BenchSetup setup{.num_prompt = 3, .num_predict = 2, .num_threads = 1, .prompt = prompt};
  const auto in_prompt = run(setup, 2);
  ASSERT_FALSE(in_prompt);
  EXPECT_EQ(in_prompt.error().code, Code::kFailed);
  EXPECT_THAT(in_prompt.error().message, HasSubstr("a logit is NaN"));

  // What the reply goes on with, and is to be read in the next step.
  const TokenId next = expected_reply(prompt, {.temperature = 0}, 1, kVocab).front();
  ASSERT_EQ(std::count(prompt.begin(), prompt.end(), next), 0);
  const auto in_reply = run(setup, next);
  ASSERT_FALSE(in_reply);
  EXPECT_THAT(in_reply.error().message, HasSubstr("a logit is NaN"));
}

}  // namespace
}  // namespace pronk::cli
