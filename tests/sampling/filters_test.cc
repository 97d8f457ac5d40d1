#include "sampling/filters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "sampling/logprobs.h"
#include "twins.h"

namespace pronk {
namespace {

// A row's candidates, all of them or as a list, and what a filter leaves of them.
struct Row {
  explicit Row(std::vector<float> row) : logits(std::move(row)) {
    c.load(logits, *std::max_element(logits.begin(), logits.end()));
  }
  std::vector<TokenId> ids() {
    c.make_list();
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < c.size(); ++i) ids.push_back(c.id(i));
    return ids;
  }

  std::vector<float> logits;
  Candidates c;
};

// Runs a filter and its twin over many random rows and compares who is left. `margin` says how near
// the twin's decision was to the other one; where float could not tell them apart the row is left.
template <class Filter, class Twin>
void compare(Filter filter, Twin twin_filter, int rows = 400) {
  std::mt19937 rng(7);
  for (int row = 0; row < rows; ++row) {
    const int sizes[] = {1, 2, 3, 17, 100, 1000, 5000};
    const std::vector<float> logits = twin::random_row(rng, sizes[row % 7]);
    const double parameter = std::uniform_real_distribution<double>(0.001, 0.999)(rng);
    twin::Tokens t = twin::from_row(logits);
    twin_filter(t, parameter);
    for (const bool list_first : {false, true}) {
      Row found(logits);
      if (list_first) found.c.make_list();
      filter(found.c, parameter);
      const std::vector<TokenId> ids = found.ids();
      ASSERT_EQ(ids, twin::ids(t)) << "row " << row << ", parameter " << parameter;
      for (std::size_t i = 0; i < ids.size(); ++i)
        ASSERT_EQ(found.c.logits()[i], logits[static_cast<std::size_t>(ids[i])]);
    }
  }
}

int as_k(double parameter) { return 1 + static_cast<int>(parameter * 120); }

TEST(Filters, TopKKeepsWhatSortingKeeps) {
  compare([](Candidates& c, double x) { keep_top_k(c, as_k(x)); },
          [](twin::Tokens& t, double x) { twin::top_k(t, as_k(x)); });
}

TEST(Filters, TopPKeepsWhatSortingKeeps) { compare(keep_top_p, twin::top_p); }

TEST(Filters, MinPKeepsWhatItsDefinitionKeeps) { compare(keep_min_p, twin::min_p); }

TEST(Filters, TypicalKeepsWhatSortingKeeps) {
  // Ties in surprise stand in the order of ids in both; rounded rows have many.
  compare(keep_typical, [](twin::Tokens& t, double p) {
    std::sort(t.begin(), t.end(),
              [](const twin::Token& a, const twin::Token& b) { return a.id < b.id; });
    twin::typical(t, p);
  });
}

TEST(Filters, XtcKeepsTheLeastOfTheTopChoices) {
  compare([](Candidates& c, double x) { keep_xtc(c, x / 2); },
          [](twin::Tokens& t, double x) { twin::xtc(t, x / 2); });
}

TEST(Filters, MirostatKeepsWhatIsNoMoreSurprisingThanMu) {
  compare([](Candidates& c, double x) { keep_mirostat(c, x * 12); },
          [](twin::Tokens& t, double x) { twin::mirostat(t, x * 12); });
}

TEST(Filters, AtLeastOneIsLeftAtTheLowestSetting) {
  std::mt19937 rng(3);
  const std::vector<float> logits = twin::random_row(rng, 50);
  const std::vector<TokenId> likeliest = {twin::from_row(logits)[0].id};
  const auto left = [&](auto filter, double parameter) {
    Row row(logits);
    filter(row.c, parameter);
    return row.ids();
  };
  EXPECT_EQ(left(keep_typical, 0.0).size(), 1u);
  EXPECT_EQ(left(keep_top_p, 0.0), likeliest);
  EXPECT_EQ(left(keep_min_p, 1.0), likeliest);
  EXPECT_EQ(left(keep_mirostat, -3), likeliest);
}

TEST(Filters, AnInfiniteLogitLeavesTypicalNothingToChoose) {
  std::vector<float> logits(100, 1.0f);
  logits[7] = std::numeric_limits<float>::infinity();
  Row row(logits);
  keep_typical(row.c, 0.5);
  EXPECT_EQ(row.ids().size(), logits.size());
}

TEST(Filters, TypicalKeepsTheOneThatHoldsAllTheMass) {
  constexpr float kBanned = -std::numeric_limits<float>::infinity();
  for (const float others : {kBanned, -1e30f, -100.0f, 0.0f}) {
    std::vector<float> logits(5000, others);
    logits[4321] = 100;
    Row row(logits);
    keep_typical(row.c, 0.9);
    EXPECT_EQ(row.ids(), std::vector<TokenId>{4321}) << others;
  }
}

TEST(Filters, EqualLogitsAreTakenByLowerId) {
  const auto left = [](auto filter, auto parameter) {
    Row row(std::vector<float>(1000, 1.5f));
    filter(row.c, parameter);
    return row.ids();
  };
  EXPECT_EQ(left(keep_top_k, 3), (std::vector<TokenId>{0, 1, 2}));
  EXPECT_EQ(left(keep_top_p, 0.0045), (std::vector<TokenId>{0, 1, 2, 3, 4}));
  EXPECT_EQ(left(keep_typical, 0.0045), (std::vector<TokenId>{0, 1, 2, 3, 4}));
}

TEST(Filters, AMassIsReachedAtItsPlaceHoweverTheKeysLie) {
  std::mt19937 rng(21);
  for (const float spread : {0.0f, 1e-7f, 1.0f, 1e30f})
    for (int run = 0; run < 50; ++run) {
      std::vector<Weighted> items;
      for (int i = 0; i < 300; ++i)
        items.push_back({{spread * static_cast<float>(rng() % 1000), i},
                         static_cast<float>(rng() % 8)});  // whole numbers: sums are exact
      std::vector<Weighted> sorted = items;
      std::sort(sorted.begin(), sorted.end(),
                [](const Weighted& a, const Weighted& b) { return a.place < b.place; });
      const double target = static_cast<double>(rng() % 1200);
      double sum = 0;
      std::size_t n = 0;
      do sum += sorted[n++].weight;
      while (n < sorted.size() && sum < target);
      ASSERT_EQ(place_of_mass(items, target).id, sorted[n - 1].place.id) << spread << " " << target;
    }
}

TEST(Filters, KthLargestHoldsForRisingRows) {
  // Every value beats all before it: the bar rises as often as it can.
  std::vector<float> rising(20000);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<float>(i);
  for (std::size_t k : {1u, 2u, 40u, 1000u, 20000u})
    EXPECT_EQ(kth_largest(rising, k).id, static_cast<TokenId>(rising.size() - k)) << k;
}

TEST(Logprobs, AreTheLogSoftmaxOfTheRow) {
  std::mt19937 rng(11);
  for (int row = 0; row < 50; ++row) {
    const std::vector<float> logits = twin::random_row(rng, 3000);
    const twin::Tokens t = twin::from_row(logits);
    const double log_sum = log_sum_exp(logits);
    const std::vector<TokenLogprob> top = top_logprobs(logits, log_sum, 20);
    ASSERT_EQ(top.size(), 20u);
    for (std::size_t i = 0; i < top.size(); ++i) {
      ASSERT_EQ(top[i].token, t[i].id);
      ASSERT_NEAR(top[i].logprob, std::log(t[i].p), 1e-5);
    }
  }
}

TEST(Candidates, ScanFindsTheMaximumAndTheFirstBadLogit) {
  std::vector<float> row(37, -1.0f);
  row[20] = 3;
  EXPECT_EQ(scan_row(row).max, 3);
  EXPECT_EQ(scan_row(row).bad_index, -1);
  for (std::size_t bad : {0u, 15u, 16u, 31u, 32u, 36u}) {
    std::vector<float> broken = row;
    broken[bad] = bad % 2 == 0 ? NAN : INFINITY;
    EXPECT_EQ(scan_row(broken).bad_index, static_cast<int>(bad));
  }
}

}  // namespace
}  // namespace pronk
