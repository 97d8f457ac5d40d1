#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/rng.h"
#include "pronk/sampling.h"
#include "support.h"
#include "twins.h"

namespace pronk {
namespace {

using ::testing::HasSubstr;

Sampler make(const SamplingParams& params, int vocab_size = 8) {
  auto sampler = Sampler::create(params, vocab_size);
  EXPECT_OK(sampler);
  return std::move(*sampler);
}

TokenId pick(Sampler& sampler, std::vector<float> row) {
  auto picked = sampler.pick(row);
  EXPECT_OK(picked);
  return picked ? picked->token : -1;
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowerIdOnATie) {
  for (double temperature : {0.0, -1.0}) {
    Sampler s = make({.temperature = temperature}, 5);
    EXPECT_EQ(pick(s, {1, 4, 2, 4, 3}), 1);
    EXPECT_EQ(pick(s, {-5, -4, -3, -2, -1}), 4);
  }
}

TEST(Sampler, AVocabularyOfOneHasOneAnswer) {
  for (const SamplingParams& p : {SamplingParams{}, SamplingParams{.temperature = 0},
                                  SamplingParams{.top_k = 5, .top_p = 0.1, .typical_p = 0.1},
                                  SamplingParams{.mirostat = 2}}) {
    Sampler s = make(p, 1);
    EXPECT_EQ(pick(s, {-3}), 0);
  }
}

TEST(Sampler, BrokenRowsAreErrorsThatNameTheToken) {
  Sampler s = make({}, 4);
  std::vector<float> nan = {0, 1, NAN, 3};
  auto picked = s.pick(nan);
  ASSERT_FALSE(picked);
  EXPECT_EQ(picked.error().code, Code::kFailed);
  EXPECT_THAT(picked.error().message, HasSubstr("token 2 is nan"));
  std::vector<float> none(4, -INFINITY);
  picked = s.pick(none);
  ASSERT_FALSE(picked);
  EXPECT_EQ(picked.error().code, Code::kFailed);
  EXPECT_THAT(picked.error().message, HasSubstr("every token is banned"));
}

TEST(Sampler, BiasBansAndForces) {
  SamplingParams p{.temperature = 0};
  p.logit_bias = {{3, -INFINITY}, {1, 100.0f}};
  Sampler s = make(p, 4);
  EXPECT_EQ(pick(s, {0, 0, 0, 50}), 1);
  p.logit_bias = {{0, -INFINITY}, {1, -INFINITY}, {2, -INFINITY}, {3, -INFINITY}};
  Sampler none = make(p, 4);
  std::vector<float> row = {0, 0, 0, 50};
  EXPECT_FALSE(none.pick(row));
}

TEST(Sampler, DrawsFollowTheDistribution) {
  // Pearson's chi-squared over 8 tokens, 7 degrees of freedom: 24.3 is passed once in 1000.
  const std::vector<float> row = {0, 0.5f, 1, -1, 2, 1.5f, -0.5f, 0.25f};
  for (double temperature : {0.5, 1.0, 2.0}) {
    Sampler s = make({.temperature = temperature, .seed = 5});
    std::vector<double> expected;
    double sum = 0;
    for (float x : row) sum += expected.emplace_back(std::exp(x / temperature));
    const int draws = 20000;
    std::vector<int> seen(8);
    for (int i = 0; i < draws; ++i) {
      ++seen[static_cast<std::size_t>(pick(s, row))];
      s.accept(0);
    }
    double chi2 = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const double want = draws * expected[i] / sum;
      chi2 += (seen[i] - want) * (seen[i] - want) / want;
    }
    EXPECT_LT(chi2, 24.3) << "temperature " << temperature;
  }
}

TEST(Sampler, ATemperatureNearZeroIsGreedy) {
  std::mt19937 rng(2);
  for (int i = 0; i < 50; ++i) {
    const std::vector<float> row = twin::random_row(rng, 300);
    Sampler cold = make({.temperature = 1e-300, .seed = rng()}, 300);
    const TokenId id = pick(cold, row);
    EXPECT_EQ(row[static_cast<std::size_t>(id)], *std::max_element(row.begin(), row.end()));
  }
}

TEST(Sampler, SeedAndPositionAloneDecide) {
  std::mt19937 rng(4);
  const std::vector<float> row = twin::random_row(rng, 1000);
  const auto text = [&](std::uint64_t seed) {
    Sampler s = make({.temperature = 1.5, .seed = seed}, 1000);
    std::vector<TokenId> tokens;
    for (int i = 0; i < 30; ++i) {
      pick(s, row);  // asking twice changes nothing
      tokens.push_back(pick(s, row));
      s.accept(tokens.back());
    }
    return tokens;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST(Sampler, PenaltiesFollowTheirFormulaWithinTheirWindow) {
  SamplingParams p{.temperature = 0,
                   .repeat_penalty = 2,
                   .presence_penalty = 0.25,
                   .frequency_penalty = 0.5,
                   .repeat_last_n = 3};
  Sampler s = make(p, 6);
  for (TokenId t : {5, 5, 0, 0, 1}) s.accept(t);  // the last three: 0 0 1
  std::vector<float> row = {8, -1, 0, 0, 0, 1};
  ASSERT_OK(s.pick(row));
  EXPECT_FLOAT_EQ(row[0], 8 / 2.0f - 2 * 0.5f - 0.25f);
  EXPECT_FLOAT_EQ(row[1], -1 * 2.0f - 0.5f - 0.25f);
  EXPECT_FLOAT_EQ(row[5], 1);
  p.repeat_last_n = -1;
  Sampler whole = make(p, 6);
  for (TokenId t : {5, 5, 0, 0, 1}) whole.accept(t);
  row = {8, -1, 0, 0, 0, 1};
  ASSERT_OK(whole.pick(row));
  EXPECT_FLOAT_EQ(row[5], 1 / 2.0f - 2 * 0.5f - 0.25f);
}

TEST(Sampler, DryEqualsItsTwin) {
  std::mt19937 rng(9);
  for (int run = 0; run < 300; ++run) {
    const int window = run % 2 == 0 ? -1 : 20;
    SamplingParams p{.temperature = 0,
                     .dry_multiplier = 0.8,
                     .dry_base = 1.75,
                     .dry_allowed_length = 1 + run % 3,
                     .dry_penalty_last_n = window};
    Sampler s = make(p, 4);
    std::vector<TokenId> text;
    for (int i = 0; i < 60; ++i) {
      text.push_back(static_cast<TokenId>(rng() % 4));
      s.accept(text.back());
    }
    if (window > 0) text.erase(text.begin(), text.end() - window);
    std::vector<float> row(4, 1);
    ASSERT_OK(s.pick(row));
    const auto penalty = twin::dry(text, 0.8, 1.75, p.dry_allowed_length, 1000);
    for (TokenId t = 0; t < 4; ++t) {
      const double want = penalty.contains(t) ? 1 - penalty.at(t) : 1;
      ASSERT_NEAR(row[static_cast<std::size_t>(t)], want, 1e-4 * std::fabs(want)) << run;
    }
  }
}

// Tokens 0..9 are the pieces "a".."j", 10 is "\n", 11 is "x\n", 12 is "<", 13 is ">".
std::string_view test_piece(TokenId t) {
  static const std::string letters = "abcdefghij";
  if (t < 10) return std::string_view(letters).substr(static_cast<std::size_t>(t), 1);
  return t == 10 ? "\n" : t == 11 ? "x\n" : t == 12 ? "<" : ">";
}

TEST(Sampler, DryStopsAtASequenceBreakerEvenAcrossTokens) {
  SamplingParams p{.temperature = 0, .dry_multiplier = 1, .dry_allowed_length = 2};
  p.dry_sequence_breakers = {"\n", "<>"};
  const auto penalized = [&](const std::vector<TokenId>& text, TokenId token) {
    auto s = Sampler::create(p, 14, test_piece);
    EXPECT_OK(s);
    for (TokenId t : text) s->accept(t);
    std::vector<float> row(14, 5);
    EXPECT_OK(s->pick(row));
    return row[static_cast<std::size_t>(token)] < 5;
  };
  EXPECT_TRUE(penalized({0, 1, 2, 7, 0, 1}, 2));
  EXPECT_FALSE(penalized({0, 10, 2, 7, 0, 10}, 2));          // the repetition begins behind "\n"
  EXPECT_FALSE(penalized({0, 11, 2, 7, 0, 11}, 2));          // "x\n" holds a breaker
  EXPECT_FALSE(penalized({0, 12, 13, 2, 7, 0, 12, 13}, 2));  // "<" ">" make one
  EXPECT_TRUE(penalized({0, 12, 3, 2, 7, 0, 12, 3}, 2));     // "<" "d" do not
  EXPECT_FALSE(penalized({0, 1, 10, 7, 0, 1}, 10));          // a breaker itself is never penalized
}

TEST(Sampler, XtcActsAsOftenAsItsProbability) {
  Sampler s = make({.xtc_probability = 0.25, .xtc_threshold = 0.1, .seed = 3}, 3);
  const std::vector<float> row = {5, 4.9f, -20};
  int excluded = 0;
  for (int i = 0; i < 4000; ++i) {
    excluded += pick(s, row) == 1;
    s.accept(0);
  }
  // p(1) = 0.475 without XTC, 1 with it: 0.75 * 0.475 + 0.25 = 0.606, standard deviation 0.0077.
  EXPECT_NEAR(excluded / 4000.0, 0.606, 0.031);
}

TEST(Sampler, MirostatSteersTheSurpriseToTau) {
  std::mt19937 rng(6);
  const double tau = 3, eta = 0.1, temperature = 0.8;
  Sampler s = make({.temperature = temperature,
                    .mirostat = 2,
                    .mirostat_tau = tau,
                    .mirostat_eta = eta,
                    .seed = 8},
                   2000);
  double mu = 2 * tau, sum = 0;
  const int steps = 1500;
  for (int i = 0; i < steps; ++i) {
    std::vector<float> row(2000);
    std::normal_distribution<float> noise(0, 2);
    for (float& x : row) x = noise(rng);
    const TokenId picked = pick(s, row);
    ASSERT_EQ(pick(s, row), picked);  // an answer that is not accepted leaves no trace
    s.accept(picked);

    twin::Tokens t = twin::from_row(row);
    for (twin::Token& x : t) x.logit /= temperature;
    twin::mirostat(t, mu);
    twin::sort_and_weigh(t);
    const auto kept =
        std::find_if(t.begin(), t.end(), [&](const twin::Token& x) { return x.id == picked; });
    ASSERT_NE(kept, t.end()) << i;
    const double surprise = -std::log2(kept->p);
    mu -= eta * (surprise - tau);
    sum += surprise;
  }
  EXPECT_NEAR(sum / steps, tau, 0.15);
}

TEST(Sampler, LogprobsAreThoseOfTheModelWhateverTheSamplers) {
  SamplingParams p{.temperature = 0, .num_logprobs = 2};
  p.logit_bias = {{0, 100.0f}};
  Sampler s = make(p, 4);
  std::vector<float> row = {0, 1, 2, 3};
  auto picked = s.pick(row);
  ASSERT_OK(picked);
  const double log_sum = std::log(1 + std::exp(1) + std::exp(2) + std::exp(3));
  EXPECT_EQ(picked->token, 0);
  EXPECT_NEAR(picked->logprob, 0 - log_sum, 1e-6);
  ASSERT_EQ(picked->top.size(), 2u);
  EXPECT_EQ(picked->top[0].token, 3);
  EXPECT_NEAR(picked->top[0].logprob, 3 - log_sum, 1e-6);
  EXPECT_EQ(picked->top[1].token, 2);
}

TEST(Sampler, ParametersOutOfRangeAreNamed) {
  const auto message = [](const SamplingParams& p) {
    auto s = Sampler::create(p, 10);
    if (s) return std::string("accepted");
    EXPECT_EQ(s.error().code, Code::kInvalidArgument);
    return s.error().message;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message({.top_p = 1.5}), "sampling: top_p is 1.5, must be 0 to 1");
  EXPECT_EQ(message({.top_k = -1}), "sampling: top_k is -1, must be 0 or more");
  EXPECT_THAT(message({.temperature = nan}), HasSubstr("temperature is nan"));
  EXPECT_THAT(message({.min_p = -0.1}), HasSubstr("min_p is -0.1"));
  EXPECT_THAT(message({.typical_p = nan}), HasSubstr("typical_p"));
  EXPECT_THAT(message({.repeat_penalty = 0}), HasSubstr("repeat_penalty is 0"));
  EXPECT_THAT(message({.repeat_last_n = -2}), HasSubstr("repeat_last_n"));
  EXPECT_THAT(message({.dry_base = 0.5}), HasSubstr("dry_base"));
  EXPECT_THAT(message({.mirostat = 1}), HasSubstr("mirostat is 1, must be 0 (off) or 2"));
  EXPECT_THAT(message({.num_logprobs = 11}), HasSubstr("num_logprobs is 11, must be -1 to 10"));
  SamplingParams p;
  p.logit_bias = {{10, 1.0f}};
  EXPECT_THAT(message(p), HasSubstr("token 10, the model's are 0 to 9"));
  p.logit_bias = {{9, std::numeric_limits<float>::infinity()}};
  EXPECT_THAT(message(p), HasSubstr("logit_bias of token 9 is inf"));
  EXPECT_EQ(message({.temperature = 0, .top_k = 1000, .top_p = 0, .min_p = 1}), "accepted");
}

// The parts in llama.cpp's order: what is left in the draw equals the twins' chain, and every token
// of it can be drawn.
TEST(Sampler, TheChainRunsInLlamaCppsOrder) {
  std::mt19937 rng(12);
  for (int run = 0; run < 40; ++run) {
    const std::vector<float> row = twin::random_row(rng, 200);
    twin::Tokens t = twin::from_row(row);
    twin::top_k(t, 30);
    twin::sort_and_weigh(t);
    twin::typical(t, 0.9);
    twin::top_p(t, 0.9);
    twin::min_p(t, 0.05);
    Sampler s = make({.temperature = 3,
                      .top_k = 30,
                      .top_p = 0.9,
                      .min_p = 0.05,
                      .typical_p = 0.9,
                      .seed = rng()},
                     200);
    std::vector<TokenId> seen;
    for (int i = 0; i < 1500; ++i) {
      seen.push_back(pick(s, row));
      s.accept(0);
    }
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    ASSERT_EQ(seen, twin::ids(t)) << run;
  }
}

// Draws from what the twins leave, in the order of ids, as the real one does.
TokenId twin_draw(twin::Tokens t, double temperature, std::uint64_t seed, std::uint64_t position) {
  for (twin::Token& x : t) x.logit /= temperature;
  twin::sort_and_weigh(t);
  std::sort(t.begin(), t.end(),
            [](const twin::Token& a, const twin::Token& b) { return a.id < b.id; });
  const double u = random_unit(seed, 2 * position);
  double sum = 0;
  for (const twin::Token& x : t)
    if ((sum += x.p) > u) return x.id;
  return t.back().id;
}

// Whole rows, lists, flat and steep rows, far more tokens than a stretch holds.
TEST(Sampler, PicksWhatItsPlainTwinPicks) {
  std::mt19937 rng(31);
  for (int run = 0; run < 240; ++run) {
    const int sizes[] = {3, 1023, 1024, 1025, 40000, 128256};
    const int vocab_size = sizes[run % 6];
    const std::vector<float> row = twin::random_row(rng, vocab_size);
    SamplingParams p{.temperature = 0.2 + 0.3 * (run % 5), .seed = rng()};
    if (run & 1) p.top_k = 1 + static_cast<int>(rng() % 100);
    if (run & 2) p.top_p = 0.5 + 0.0001 * static_cast<double>(rng() % 5000);
    if (run & 4) p.min_p = 0.0001 * static_cast<double>(rng() % 1000);
    if (run & 8) p.repeat_penalty = 1.3;
    Sampler s = make(p, vocab_size);
    const std::uint64_t position = rng() % 90;
    std::vector<float> penalized = row;
    std::set<TokenId> seen;
    for (std::uint64_t i = 0; i < position; ++i) {
      const auto t = static_cast<TokenId>(rng() % static_cast<unsigned>(vocab_size));
      s.accept(t);
      if (i + 64 >= position) seen.insert(t);
    }
    const auto penalty = static_cast<float>(p.repeat_penalty);
    for (const TokenId t : seen) {
      float& x = penalized[static_cast<std::size_t>(t)];
      x = x > 0 ? x / penalty : x * penalty;
    }
    twin::Tokens t = twin::from_row(penalized);
    if (p.top_k > 0) twin::top_k(t, p.top_k);
    if (p.top_p < 1) twin::top_p(t, p.top_p);
    if (p.min_p > 0) twin::min_p(t, p.min_p);
    ASSERT_EQ(pick(s, row), twin_draw(t, p.temperature, p.seed, position)) << run;
  }
}

}  // namespace
}  // namespace pronk
