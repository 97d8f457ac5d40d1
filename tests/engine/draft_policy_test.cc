#include "engine/draft_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace pronk {
namespace {

TEST(StepTimes, LieOnTheLineBetweenWhatWasMeasured) {
  StepTimes times;
  times.add(1, 1.0);
  EXPECT_DOUBLE_EQ(times.estimate(1), 1.0);
  EXPECT_DOUBLE_EQ(times.estimate(3), 1 + 2 * StepTimes::kRowShare);
  times.add(5, 2.0);
  EXPECT_DOUBLE_EQ(times.estimate(2), 1.25);
  EXPECT_DOUBLE_EQ(times.estimate(5), 2.0);
  times.forget_above(1);
  EXPECT_FALSE(times.known(5));
}

TEST(StepTimes, ASlowMomentIsNoLongerSeenAfterAFewMoreSteps) {
  StepTimes times;
  for (const double t : {1.0, 9.0, 1.1}) times.add(1, t);
  EXPECT_DOUBLE_EQ(times.estimate(1), 1.0) << "the least counts";
  for (int i = 0; i < 4; ++i) times.add(1, 2.0);
  EXPECT_DOUBLE_EQ(times.estimate(1), 2.0) << "but not for ever";
}

TEST(BestLength, IsTheOneThatGivesTheMostTokensForItsTime) {
  const auto seconds = [](int k) { return 1 + 0.25 * k; };
  for (const double rate : {0.1, 0.3, 0.5, 0.7, 0.9, 0.97}) {
    const auto speed = [&](int k) { return (1 - std::pow(rate, k + 1)) / (1 - rate) / seconds(k); };
    const int best = best_length(rate, 15, seconds);
    for (int k = 0; k <= 15; ++k) EXPECT_LE(speed(k), 1.03 * speed(best)) << rate << ", " << k;
  }
  EXPECT_EQ(best_length(0.1, 15, seconds), 0);
  EXPECT_EQ(best_length(0.99, 15, [](int) { return 1.0; }), 15);
}

// A machine and a text: what steps and guesses take, how many guesses come true.
struct World {
  double row = 0.1, guess = 0, rate = 0.5, reading = 0, noise = 0;
  double expected_cost = 0;
  int num_texts = 1, num_tokens = 2000;
  int reply_tokens = 1 << 30;  // after so many, other texts
};

struct Outcome {
  double speed;  // against plain steps
  int num_drafted = 0;
};

Outcome simulate(const World& w, DraftPolicy& policy) {
  std::mt19937 rng(7);
  const auto draw = [&] { return std::uniform_real_distribution<>(0, 1)(rng); };
  std::vector<Acceptance> texts(static_cast<std::size_t>(w.num_texts));
  double seconds = 0, plain_seconds = 0;
  Outcome outcome{};
  bool read = false;
  for (int done = 0, end = w.reply_tokens; done < w.num_tokens;) {
    if (done >= end) {
      std::fill(texts.begin(), texts.end(), Acceptance());
      end = done + w.reply_tokens;
    }
    const double slow = 1 + w.noise * draw();
    int num_rows = 0, num_tokens = 0, num_guesses = 0;
    for (Acceptance& text : texts) {
      const int k = policy.length(text, w.num_texts);
      int num_true = 0;
      while (num_true < k && draw() < w.rate) ++num_true;
      text.add(k, num_true);
      num_rows += 1 + k;
      num_guesses += k;
      num_tokens += 1 + num_true;
    }
    if (num_guesses > 0) {
      const double guessing = num_guesses * w.guess * slow, reading = read ? 0 : w.reading;
      read = true;
      policy.drafted({read && w.guess > 0 ? num_guesses : 0, guessing}, guessing + reading);
      seconds += guessing + reading;
    }
    const double step = (1 + w.row * (num_rows - 1)) * slow;
    policy.stepped(w.num_texts, num_rows, num_tokens, step);
    seconds += step;
    plain_seconds += (1 + w.row * (w.num_texts - 1)) * slow * num_tokens / w.num_texts;
    outcome.num_drafted += num_guesses;
    done += num_tokens;
  }
  outcome.speed = plain_seconds / seconds;
  return outcome;
}

Outcome simulate(const World& w) {
  DraftPolicy policy(w.expected_cost, false);
  return simulate(w, policy);
}

TEST(DraftPolicy, NeverCostsMoreThanTwoPercent) {
  for (const int num_texts : {1, 4})
    for (const double row : {0.02, 0.1, 0.3, 1.0})
      for (const double rate : {0.0, 0.1, 0.3, 0.5, 0.7, 0.9})
        for (const double guess : {0.0, 0.1, 0.4})
          for (const double noise : {0.0, 0.3}) {
            const World w{.row = row,
                          .guess = guess,
                          .rate = rate,
                          .noise = noise,
                          .expected_cost = guess,
                          .num_texts = num_texts};
            EXPECT_GE(simulate(w).speed, 0.98)
                << row << " a row, " << guess << " a guess, " << rate << " come true, noise "
                << noise << ", " << num_texts << " texts";
          }
}

TEST(DraftPolicy, NorInManyShortReplies) {
  for (const double row : {0.1, 0.3, 1.0})
    for (const double rate : {0.0, 0.3, 0.6})
      for (const int reply_tokens : {20, 60})
        EXPECT_GE(simulate({.row = row, .rate = rate, .reply_tokens = reply_tokens}).speed, 0.98)
            << row << " a row, " << rate << " come true, " << reply_tokens << " tokens";
}

TEST(DraftPolicy, NorInAFirstShortReplyByAModelOfNoUse) {
  for (const double row : {0.05, 0.15})
    for (const double guess : {0.1, 0.2, 0.3})
      EXPECT_GE(
          simulate(
              {.row = row, .guess = guess, .rate = 0, .expected_cost = guess, .num_tokens = 60})
              .speed,
          0.985)
          << row << " a row, " << guess << " a guess";
}

TEST(DraftPolicy, AGoodModelIsFoundOutInAFewTokens) {
  const World w{.row = 0.05, .guess = 0.15, .rate = 0.8, .expected_cost = 0.15, .num_tokens = 60};
  EXPECT_GT(simulate(w).speed, 1.3);
}

TEST(DraftPolicy, GainsWhereGuessesComeTrueAndRowsAreCheap) {
  EXPECT_GT(simulate({.row = 0.05, .rate = 0.95}).speed, 4);
  EXPECT_GT(simulate({.row = 0.05, .rate = 0.7}).speed, 1.7);
  EXPECT_GT(simulate({.row = 0.05, .guess = 0.1, .rate = 0.8, .expected_cost = 0.1}).speed, 1.5);
  EXPECT_GT(simulate({.row = 0.05, .rate = 0.95, .num_texts = 4}).speed, 2);
}

TEST(DraftPolicy, TriesAgainAndFindsTheTextThatRepeats) {
  DraftPolicy policy(0, false);
  World w{.row = 0.1, .rate = 0};
  const Outcome wrong = simulate(w, policy);
  EXPECT_GT(wrong.num_drafted, 5) << "it goes on trying";
  EXPECT_LT(wrong.num_drafted, 200);
  w.rate = 0.95;
  EXPECT_GT(simulate(w, policy).speed, 2.5);
}

TEST(DraftPolicy, AModelAsSlowAsItsReaderIsNeverAsked) {
  EXPECT_EQ(simulate({.guess = 1, .rate = 1, .expected_cost = 1}).num_drafted, 0);
}

TEST(DraftPolicy, ATextsReadingIsEarnedBeforeTheNextTry) {
  const Outcome o = simulate({.row = 0.5, .rate = 0, .reading = 30});
  const Outcome without = simulate({.row = 0.5, .rate = 0});
  EXPECT_LE(o.num_drafted, without.num_drafted);
  EXPECT_GE(o.speed, 0.97) << "30 of 2000 steps";
}

TEST(DraftPolicy, AlwaysIsAlways) {
  DraftPolicy policy(1, true);
  EXPECT_GE(simulate({.row = 1, .guess = 1, .rate = 0, .num_tokens = 50}, policy).num_drafted, 50);
}

}  // namespace
}  // namespace pronk
