// The kernels that go over a row of logits: every usable table, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "kernels/isa.h"

namespace pronk {
namespace {

using kernels::KernelTable;
using kernels::kExpStretch;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_row(int n, std::uint64_t seed) {
  std::vector<float> row(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = static_cast<float>(20 * random_unit(seed, i) - 10);
  return row;
}

constexpr int kSizes[] = {1, 15, 16, 17, 1023, 1024, 1025, 5000};

TEST(VocabularyKernels, LargestIsTheMaximumOrNan) {
  for (const KernelTable* t : kernels::usable_tables())
    for (const int n : kSizes) {
      std::vector<float> row = random_row(n, 1);
      EXPECT_EQ(t->vector.largest(row.data(), n), *std::max_element(row.begin(), row.end()));
      row[row.size() / 2] = kInf;
      EXPECT_EQ(t->vector.largest(row.data(), n), kInf) << t->name;
      row[row.size() / 3] = kNan;
      EXPECT_TRUE(std::isnan(t->vector.largest(row.data(), n))) << t->name;
      std::fill(row.begin(), row.end(), -kInf);
      EXPECT_EQ(t->vector.largest(row.data(), n), -kInf) << t->name;
      row[row.size() / 2] = -3;  // all others banned
      EXPECT_EQ(t->vector.largest(row.data(), n), -3) << t->name;
      row[row.size() / 2] = kNan;
      EXPECT_TRUE(std::isnan(t->vector.largest(row.data(), n))) << t->name;
    }
}

TEST(VocabularyKernels, AtLeastFindsTheIndicesInOrder) {
  for (const KernelTable* t : kernels::usable_tables())
    for (const int n : kSizes)
      for (const float bar : {-kInf, -10.0f, 0.0f, 9.9f, 11.0f}) {
        std::vector<float> row = random_row(n, 2);
        row[row.size() / 2] = bar;
        row[0] = -kInf;
        std::vector<std::int32_t> want, found(row.size());
        for (std::size_t i = 0; i < row.size(); ++i)
          if (row[i] >= bar) want.push_back(static_cast<std::int32_t>(i));
        found.resize(
            static_cast<std::size_t>(t->vector.at_least(row.data(), n, bar, found.data())));
        EXPECT_EQ(found, want) << t->name << " " << n << " " << bar;
      }
}

TEST(VocabularyKernels, SumOfExpAddsUpStretchByStretch) {
  for (const int n : kSizes) {
    std::vector<float> row = random_row(n, 3);
    row[row.size() / 2] = 10;
    if (n > 1) row[0] = -kInf;
    const auto num_stretches = static_cast<std::size_t>((n + kExpStretch - 1) / kExpStretch);
    std::vector<double> want(num_stretches), bits;
    for (std::size_t i = 0; i < row.size(); ++i)
      want[i / kExpStretch] += std::exp(double{row[i]} - 10);
    for (const KernelTable* t : kernels::usable_tables()) {
      std::vector<double> sums(num_stretches);
      const double total = t->vector.sum_of_exp(row.data(), n, 10, sums.data());
      double sum = 0;
      for (std::size_t i = 0; i < num_stretches; ++i) {
        EXPECT_NEAR(sums[i], want[i], 1e-6 * want[i]) << t->name << " " << n;
        sum += sums[i];
      }
      EXPECT_EQ(total, sum);
      EXPECT_EQ(total, t->vector.sum_of_exp(row.data(), n, 10, nullptr));
      if (bits.empty()) bits = sums;
      EXPECT_EQ(sums, bits) << t->name << ": the same bits on every table";
    }
  }
}

}  // namespace
}  // namespace pronk
