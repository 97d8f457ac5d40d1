// The parts of `run`: sampling from flags and files, saved chats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/file.h"
#include "cli/prompts.h"
#include "cli/reply.h"
#include "cli/sampling_options.h"
#include "cli/verbs.h"
#include "support.h"

namespace pronk::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<SamplingParams> sampling(const std::vector<std::string>& flags,
                                const GenerationDefaults& file = {}) {
  std::vector<std::string> args = {"model"};
  args.insert(args.end(), flags.begin(), flags.end());
  const Options options = PRONK_TRY(Options::parse(kRunVerb, args));
  return sampling_of(options, file);
}

TEST(Statistics, NameTheLimitAndWhatCameOfDrafts) {
  EngineStats stats;
  EXPECT_EQ(format_stats(stats), "");
  stats.prefill = {.seconds = 2, .compute_bound_seconds = 1};
  stats.decode = {.seconds = 4, .memory_bound_seconds = 3};
  stats.drafted_tokens = 5;
  stats.accepted_tokens = 3;
  stats.steps = 7;
  EXPECT_EQ(format_stats(stats),
            "prompt 50 % of the compute limit, reply 75 % of the memory limit\n"
            "3 of 5 drafted tokens accepted, 7 steps\n");
}

TEST(Sampling, WithoutFlagsAndFileItIsMetas) {
  const Result<SamplingParams> params = sampling({});
  ASSERT_OK(params);
  EXPECT_EQ(params->temperature, 0.6);
  EXPECT_EQ(params->top_p, 0.9);
  EXPECT_EQ(params->top_k, 0);
  EXPECT_EQ(params->min_p, 0);
  EXPECT_EQ(params->repeat_penalty, 1);
}

TEST(Sampling, TheModelsFileComesNext) {
  const Result<SamplingParams> params = sampling({}, {.temperature = 0.2,
                                                      .top_p = {},
                                                      .min_p = 0.05,
                                                      .repetition_penalty = 1.1,
                                                      .top_k = 40,
                                                      .do_sample = true});
  ASSERT_OK(params);
  EXPECT_EQ(params->temperature, 0.2);
  EXPECT_EQ(params->top_p, 1)
      << "a file that speaks of sampling means what it leaves out to be off";
  EXPECT_EQ(params->min_p, 0.05);
  EXPECT_EQ(params->repeat_penalty, 1.1);
  EXPECT_EQ(params->top_k, 40);
}

TEST(Sampling, AFileThatDoesNotSampleIsGreedy) {
  GenerationDefaults file;
  file.do_sample = false;
  const Result<SamplingParams> params = sampling({}, file);
  ASSERT_OK(params);
  EXPECT_EQ(params->temperature, 0);
}

TEST(Sampling, FlagsOverrideTheFile) {
  GenerationDefaults file;
  file.temperature = 0.2;
  file.top_k = 40;
  const Result<SamplingParams> params = sampling(
      {"--temp", "1.5", "--top-k", "0", "-s", "42", "--mirostat", "2", "--typical=0.9"}, file);
  ASSERT_OK(params);
  EXPECT_EQ(params->temperature, 1.5);
  EXPECT_EQ(params->top_k, 0);
  EXPECT_EQ(params->seed, 42u);
  EXPECT_EQ(params->mirostat, 2);
  EXPECT_EQ(params->typical_p, 0.9);
}

TEST(Sampling, WithoutASeedEveryRunHasItsOwn) {
  const Result<SamplingParams> first = sampling({}), second = sampling({"--seed", "-1"});
  ASSERT_OK(first);
  ASSERT_OK(second);
  EXPECT_NE(first->seed, second->seed);
}

TEST(Sampling, LogitBiasIsWrittenAsLlamaCppDoes) {
  const Result<SamplingParams> params =
      sampling({"--logit-bias", "15043+1.5", "--logit-bias", "2-inf", "--logit-bias", "7-2"});
  ASSERT_OK(params);
  EXPECT_EQ(params->logit_bias.at(15043), 1.5f);
  EXPECT_EQ(params->logit_bias.at(2), -INFINITY);
  EXPECT_EQ(params->logit_bias.at(7), -2.f);
  for (const char* wrong : {"", "5", "+1", "x+1", "5+", "-1+2"}) {
    const Result<SamplingParams> refused = sampling({"--logit-bias", wrong});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message, HasSubstr("ID+BIAS")) << wrong;
  }
}

TEST(Sampling, DryBreakersReplaceTheUsualOnes) {
  const Result<SamplingParams> usual = sampling({});
  ASSERT_OK(usual);
  EXPECT_THAT(usual->dry_sequence_breakers, ElementsAre("\n", ":", "\"", "*"));
  const Result<SamplingParams> own =
      sampling({"--dry-sequence-breaker", ";", "--dry-sequence-breaker", "\n"});
  ASSERT_OK(own);
  EXPECT_THAT(own->dry_sequence_breakers, ElementsAre(";", "\n"));
  const Result<SamplingParams> none = sampling({"--dry-sequence-breaker", "none"});
  ASSERT_OK(none);
  EXPECT_TRUE(none->dry_sequence_breakers.empty());
}

TEST(Date, IsADayInOneOfTwoForms) {
  for (const char* day : {"2024-07-26", "26 Jul 2024"}) {
    const Result<Options> options =
        Options::parse(kRunVerb, std::vector<std::string>{"m", "--date", day});
    ASSERT_OK(options);
    const Result<std::int64_t> now = template_now(*options);
    ASSERT_OK(now);
    EXPECT_EQ(*now, 1721952000) << day;
  }
}

}  // namespace
}  // namespace pronk::cli
