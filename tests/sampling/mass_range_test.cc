#include "sampling/mass_range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace pronk {
namespace {

// Logits around a center and what they weigh: whole numbers, so that sums are exact.
struct Row {
  std::vector<float> logits, weights;
  float center = 0;

  float distance(std::size_t i) const { return std::fabs(center - logits[i]); }
  double total() const {
    double sum = 0;
    for (const float weight : weights) sum += weight;
    return sum;
  }
};

Row random_row(std::mt19937& rng, std::size_t size, float spread) {
  std::normal_distribution<float> noise(0, spread);
  Row row{.logits = {}, .weights = {}, .center = static_cast<float>(rng() % 3) * 10};
  for (std::size_t i = 0; i < size; ++i) {
    row.logits.push_back(row.center + noise(rng));
    row.weights.push_back(static_cast<float>(rng() % 8));
  }
  row.weights[rng() % size] = 9;  // not all weigh nothing
  return row;
}

void ban_some(std::mt19937& rng, Row& row) {
  for (std::size_t i = 0; i < row.logits.size(); ++i)
    if (rng() % 4 == 0) row.logits[i] = -std::numeric_limits<float>::infinity(), row.weights[i] = 0;
}

// The range's mass takes the sum to the target, and those in it are found in order.
void expect_reached(const Row& row, double target) {
  const MassRange range = range_of_mass(row.logits, row.weights, row.center, target);
  if (row.total() < target) {
    EXPECT_EQ(range.begin, range.end);
    return;
  }
  double before = 0, inside = 0;
  std::vector<std::size_t> want, found;
  for (std::size_t i = 0; i < row.logits.size(); ++i)
    if (row.distance(i) < range.begin) {
      before += row.weights[i];
    } else if (row.distance(i) < range.end) {
      inside += row.weights[i];
      want.push_back(i);
    }
  EXPECT_EQ(range.before, before);
  EXPECT_TRUE(before < target || before == 0) << before << " " << target;
  EXPECT_GE(before + inside, target);
  EXPECT_GT(inside, 0);
  for_each_within(row.logits, row.center, range, [&](std::size_t i) { found.push_back(i); });
  EXPECT_EQ(found, want);
}

TEST(MassRange, ReachesTheTargetHoweverFarTheLogitsLie) {
  std::mt19937 rng(5);
  for (const float spread : {0.0f, 1e-30f, 1e-6f, 1e-3f, 0.3f, 3.0f, 60.0f, 1e9f, 1e37f})
    for (const std::size_t size : {1u, 31u, 32u, 33u, 255u, 256u, 259u, 3000u})
      for (const bool bans : {false, true}) {
        Row row = random_row(rng, size, spread);
        if (bans) ban_some(rng, row);
        for (const double share : {0.0, 0.001, 0.5, 0.9, 1.0, 1.1})
          if (row.total() > 0) expect_reached(row, share * row.total());
      }
}

TEST(MassRange, HoldsFewOfARowHoweverFlat) {
  std::mt19937 rng(6);
  for (const float spread : {1e-4f, 1e-2f, 0.3f, 3.0f}) {
    Row row = random_row(rng, 20000, spread);
    for (float& logit : row.logits) logit -= row.center;
    row.center = 0;
    for (const double share : {0.1, 0.5, 0.9}) {
      int num_inside = 0;
      for_each_within(row.logits, row.center,
                      range_of_mass(row.logits, row.weights, row.center, share * row.total()),
                      [&](std::size_t) { ++num_inside; });
      EXPECT_LT(num_inside, 400) << spread << " " << share;  // 2 %
    }
  }
}

}  // namespace
}  // namespace pronk
