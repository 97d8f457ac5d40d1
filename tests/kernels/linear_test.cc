// The linear kernels of every usable table against float64, and their promises about bits.
#include "kernels/linear_kernels.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/linear_cases.h"
#include "kernels/tested_tables.h"

namespace pronk::kernels {
namespace {

// Roundings that an output goes through (docs/kernels.md): its folds, 3 for what a fold is made of,
// and for integers 2 for the second plane's unit and its sum with the first's.
double num_roundings(DType type, ActivationKind kind, int columns) {
  const double blocks = std::ceil(columns / 32.0);
  if (kind == ActivationKind::kF32) return 32 + blocks + 3;
  if (kind == ActivationKind::kBF16) return columns + 3;
  const bool two_scales = type == DType::kQ2_K || type == DType::kQ3_K || type == DType::kQ6_K;
  const double folds = (two_scales ? 2 : 1) * (halfs_of(type).size() == 2 ? 2 : 1);
  return folds * blocks + 3 + 2;
}

// The row with its mins set to zero: scale · q alone. The two parts of scale · q + min are added
// one after the other, so both count among the terms.
Bytes without_mins(DType type, const Bytes& row) {
  Bytes out = row;
  const std::vector<int> halfs = halfs_of(type);
  if (halfs.size() < 2) return out;
  for (std::size_t at = 0; at < out.size(); at += static_cast<std::size_t>(info(type).block_bytes))
    std::memset(out.data() + at + halfs[1], 0, 2);
  return out;
}

// |y − y64| <= γ(n) Σ |terms|, γ(n) = n u / (1 − n u), u = 2^-24.
void expect_near_float64(const KernelTable& table, const Matrix& m, const OwnedActivations& x) {
  const ActivationKind kind = table.linear.activation_kind[index(m.type)];
  const std::vector<float> y = multiply(table, m, x);
  const double nu = num_roundings(m.type, kind, m.columns) * 0x1p-24;
  const double gamma = nu / (1 - nu);
  std::vector<float> w(static_cast<std::size_t>(m.columns)), scaled = w;
  for (int r = 0; r < m.rows; ++r) {
    const Bytes& row = m.stored[static_cast<std::size_t>(r)];
    dequantize_row(m.type, row.data(), m.columns, w.data());
    dequantize_row(m.type, without_mins(m.type, row).data(), m.columns, scaled.data());
    for (int t = 0; t < x.view.num_rows; ++t) {
      double sum = 0, terms = 0;
      for (int k = 0; k < m.columns; ++k) {
        const auto i = static_cast<std::size_t>(k);
        const OwnedActivations::Parts parts = x.parts(kind, t, k);
        const double a = parts.high + parts.low;
        sum += w[i] * a;
        terms += std::fabs(scaled[i] * parts.high) + std::fabs(scaled[i] * parts.low) +
                 std::fabs((w[i] - scaled[i]) * a);
      }
      const float got = y[static_cast<std::size_t>(t * m.rows + r)];
      ASSERT_LE(std::fabs(got - sum), gamma * terms)
          << "row " << r << " token " << t << ": " << got;
    }
  }
}

class Linears : public testing::TestWithParam<int> {
 protected:
  DType type() const { return static_cast<DType>(GetParam()); }
  std::mt19937 rng{static_cast<unsigned>(GetParam()) + 7};
};

TEST_P(Linears, AreWithinTheBoundOfFloat64) {
  for (const KernelTable* table : tested_tables()) {
    // Tiles take FP8 times its scale rounded to bf16: linear_prompt_test.cc has their bound.
    if (type() == DType::kF8Scaled && table->linear.multiply_bf16[index(type())]) continue;
    SCOPED_TRACE(table->name);
    for (const auto& [rows, about] : {std::pair{32, 512}, {45, 1056}, {7, 172}, {64, 33}}) {
      const int columns = columns_for(type(), about);
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      const Matrix m = random_matrix(type(), rows, columns, rng);
      for (SecondPlane rule : {SecondPlane::kFast, SecondPlane::kHigh}) {
        const auto x = random_activations(5, columns, rng);
        expect_near_float64(*table, m, {table->linear, type(), x.data(), 5, columns, rule});
      }
    }
  }
}

TEST_P(Linears, HaveTheSameBitsAloneAndInAnyBatch) {
  const int columns = columns_for(type(), 768), tokens = 101;
  const Matrix m = random_matrix(type(), 40, columns, rng);
  const auto x = random_activations(tokens, columns, rng);
  for (const KernelTable* table : tested_tables()) {
    SCOPED_TRACE(table->name);
    const auto whole =
        multiply(*table, m, {table->linear, type(), x.data(), tokens, columns, SecondPlane::kFast});
    for (int batch : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 32, 48, 49, 97}) {
      for (int t = 0; t + batch <= tokens; t += batch) {
        const auto part = multiply(
            *table, m,
            {table->linear, type(), x.data() + t * columns, batch, columns, SecondPlane::kFast});
        ASSERT_EQ(std::memcmp(part.data(), whole.data() + t * m.rows, part.size() * 4), 0)
            << "batch " << batch << " from token " << t;
      }
    }
  }
}

// Columns and tokens of more than one of the pieces that kernels cut them into.
TEST_P(Linears, HaveTheSameBitsAloneWhereRowsAreLongOrMany) {
  for (const auto& [about, tokens] : {std::pair{8704, 26}, {256, 275}}) {
    const int columns = columns_for(type(), about);
    const Matrix m = random_matrix(type(), 40, columns, rng);
    const auto x = random_activations(tokens, columns, rng);
    for (const KernelTable* table : tested_tables()) {
      SCOPED_TRACE(table->name);
      for (SecondPlane rule : {SecondPlane::kFast, SecondPlane::kHigh}) {
        const auto whole =
            multiply(*table, m, {table->linear, type(), x.data(), tokens, columns, rule});
        for (int t : {0, 5, 11, 12, 25, tokens - 1}) {
          const float* row = x.data() + static_cast<std::int64_t>(t) * columns;
          const auto alone = multiply(*table, m, {table->linear, type(), row, 1, columns, rule});
          ASSERT_EQ(std::memcmp(alone.data(), whole.data() + t * m.rows, alone.size() * 4), 0)
              << "token " << t;
        }
      }
    }
  }
}

TEST_P(Linears, OfBlockTypesHaveTheSameBitsOnEveryTable) {
  if (!is_block_type(type())) GTEST_SKIP() << "float types promise it for each table alone";
  const KernelTable& scalar = *tested_tables().back();
  for (const int about : {256, 1024}) {
    const int columns = columns_for(type(), about), tokens = 21;
    const Matrix m = random_matrix(type(), 50, columns, rng);
    const auto x = random_activations(tokens, columns, rng);
    for (SecondPlane rule : {SecondPlane::kFast, SecondPlane::kHigh}) {
      const auto expected =
          multiply(scalar, m, {scalar.linear, type(), x.data(), tokens, columns, rule});
      for (const KernelTable* table : tested_tables()) {
        const auto got =
            multiply(*table, m, {table->linear, type(), x.data(), tokens, columns, rule});
        ASSERT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0) << table->name;
      }
    }
  }
}

TEST_P(Linears, WriteNothingBesideTheirRows) {
  const int columns = columns_for(type(), 64);
  const Matrix m = random_matrix(type(), 32, columns, rng);
  const auto x = random_activations(2, columns, rng);
  for (const KernelTable* table : tested_tables()) {
    for (int num_rows : {1, 15, 16, 17, 31, 32}) {
      const OwnedActivations a(table->linear, type(), x.data(), 2, columns, SecondPlane::kFast);
      std::vector<float> y(2 * 40, 12345.0f);
      table->linear.multiply_panel[index(type())](m.panels[0].data(), a.view, num_rows, y.data(),
                                                  40);
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(y[i] != 12345.0f, i % 40 < static_cast<std::size_t>(num_rows))
            << table->name << i;
    }
  }
}

TEST_P(Linears, PassNoNumbersOn) {
  const int columns = columns_for(type(), 512);
  const Matrix m = random_matrix(type(), 32, columns, rng);
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    auto x = random_activations(3, columns, rng);
    x[static_cast<std::size_t>(columns) + 5] = bad;
    for (const KernelTable* table : tested_tables()) {
      const auto y =
          multiply(*table, m, {table->linear, type(), x.data(), 3, columns, SecondPlane::kFast});
      for (int r = 0; r < 32; ++r) {
        EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(r)])) << table->name;
        EXPECT_FALSE(std::isfinite(y[static_cast<std::size_t>(32 + r)])) << table->name;
        EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(64 + r)])) << table->name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Linears, testing::ValuesIn(panel_types()),
                         [](const testing::TestParamInfo<int>& parameter) {
                           return std::string(
                               pronk::info(static_cast<DType>(parameter.param)).name);
                         });

// The integers that reach the ends: all weights and activations at their largest magnitude.
struct LargestWeights {
  DType type;
  std::byte weights;      // every byte of them
  std::size_t half_at;    // where in its block a scale of 1 is
  std::size_t scales_at;  // and 16 bytes of 1, where not 0
  double value;           // of each weight
};

TEST(Linear, LargestIntegersDoNotOverflow) {
  const int columns = 256;
  const LargestWeights cases[] = {
      {DType::kQ4_0, std::byte{0xff}, 0, 0, 7},      {DType::kQ4_0, std::byte{0x00}, 0, 0, -8},
      {DType::kQ5_0, std::byte{0xff}, 0, 0, 15},     {DType::kQ5_0, std::byte{0x00}, 0, 0, -16},
      {DType::kQ6_K, std::byte{0xff}, 208, 192, 31}, {DType::kQ8_0, std::byte{0x80}, 0, 0, -128},
      {DType::kQ8_0, std::byte{0x7f}, 0, 0, 127}};
  for (const LargestWeights& c : cases) {
    Bytes row(static_cast<std::size_t>(row_bytes(c.type, columns)), c.weights);
    const std::uint16_t one = float_to_half(1);
    const auto block_bytes = static_cast<std::size_t>(pronk::info(c.type).block_bytes);
    for (std::size_t at = 0; at < row.size(); at += block_bytes) {
      std::memcpy(row.data() + at + c.half_at, &one, 2);
      if (c.scales_at > 0)
        std::fill_n(row.begin() + static_cast<std::ptrdiff_t>(at + c.scales_at), 16, std::byte{1});
    }
    PanelRows rows{};
    rows[0] = row.data();
    Bytes panel(static_cast<std::size_t>(panel_bytes(c.type, columns)));
    pack_panel(c.type, rows, columns, panel.data());
    for (const float x : {-1.0f, 1.0f}) {
      constexpr int kTokens = 17;
      const std::vector<float> all(static_cast<std::size_t>(columns) * kTokens, x);
      const double expected = c.value * columns * static_cast<double>(x);
      for (const KernelTable* table : tested_tables()) {
        for (SecondPlane rule : {SecondPlane::kFast, SecondPlane::kHigh}) {
          for (int tokens : {1, 2, 3, 4, kTokens}) {
            const OwnedActivations a(table->linear, c.type, all.data(), tokens, columns, rule);
            std::vector<float> y(static_cast<std::size_t>(tokens));
            table->linear.multiply_panel[index(c.type)](panel.data(), a.view, 1, y.data(), 1);
            for (const float out : y)
              EXPECT_NEAR(static_cast<double>(out), expected, std::abs(expected) * 1e-6)
                  << table->name << ' ' << pronk::info(c.type).name << ' ' << tokens;
          }
        }
      }
    }
  }
}

// The second plane: who gets one, and how near it comes.

// Weights of 5 bits have a max of their own.
constexpr std::pair<DType, SecondPlane> kTypesAndRules[] = {{DType::kQ4_0, SecondPlane::kFast},
                                                            {DType::kQ4_0, SecondPlane::kHigh},
                                                            {DType::kQ5_0, SecondPlane::kFast},
                                                            {DType::kQ5_0, SecondPlane::kHigh}};

void expect_same_second_planes(const Activations& a, const Activations& b) {
  for (int i = 0; i < a.low_ends[a.num_blocks() - 1]; ++i) {
    const LowBlock &x = a.low[i], &y = b.low[i];
    EXPECT_EQ(std::memcmp(x.values, y.values, sizeof x.values), 0);
    EXPECT_EQ(std::memcmp(x.negated_sums, y.negated_sums, sizeof x.negated_sums), 0);
    EXPECT_EQ(x.scale, y.scale);
    EXPECT_EQ(x.row, y.row);
  }
}

TEST(Quantize, TheSameBitsOnEveryTable) {
  std::mt19937 rng(3);
  const KernelTable& scalar = *tested_tables().back();
  const auto same_bits = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
  };
  for (const int tokens : {1, 2, 3, 4, 7, 8, 9, 12, 16, 19}) {
    for (const int columns : {32, 480, 544, 1024}) {
      auto x = random_activations(tokens, columns, rng);
      x[7] = 1e-40f;
      x[x.size() - 20] = 3e38f;
      if (columns == 544) x[100] = std::numeric_limits<float>::quiet_NaN();
      if (columns == 1024) x[200] = -std::numeric_limits<float>::infinity();
      if (columns > 480) std::fill_n(x.begin() + 320, 32, 1e-35f);
      for (const auto& [type, rule] : kTypesAndRules) {
        const OwnedActivations expected(scalar.linear, type, x.data(), tokens, columns, rule);
        for (const KernelTable* table : tested_tables()) {
          SCOPED_TRACE(fmt::format("{}, {} tokens, {} columns", table->name, tokens, columns));
          const OwnedActivations got(table->linear, type, x.data(), tokens, columns, rule);
          EXPECT_EQ(got.high, expected.high);
          ASSERT_EQ(got.low_ends, expected.low_ends);
          EXPECT_EQ(got.bf16, expected.bf16);
          EXPECT_EQ(got.negated_high, expected.negated_high);
          EXPECT_TRUE(same_bits(got.scales, expected.scales));
          EXPECT_TRUE(same_bits(got.scaled_sums, expected.scaled_sums));
          for (int i = 0; i < got.view.num_tiles(); ++i)
            expect_same_second_planes(got.view.tile(i), expected.view.tile(i));
        }
      }
    }
  }
}

TEST(Quantize, BlocksWhoseSquareIsFarOverTheMeanStandOut) {
  struct Case {
    DType type;
    float value;
    bool is_over;
  };
  for (const auto& [type, value, is_over] : {Case{DType::kQ4_0, 1.6f, false},
                                             {DType::kQ4_0, 1.7f, true},
                                             {DType::kQ5_0, 1.4f, false},
                                             {DType::kQ5_0, 1.5f, true}}) {
    std::vector<float> x(32 * 16, 1.0f);
    for (int i = 0; i < 32; ++i) x[static_cast<std::size_t>(32 * 3 + i)] = value;
    const double mean = (15 + double{value} * value) / 16;
    for (const KernelTable* table : tested_tables()) {
      const OwnedActivations a(table->linear, type, x.data(), 1, 512, SecondPlane::kFast);
      EXPECT_EQ(double{value} * value > stands_out(a.view.max) * mean, is_over);
      for (int b = 0; b < 16; ++b)
        EXPECT_EQ(a.low_of(0, b) != nullptr, b == 3 && is_over) << table->name;
    }
  }
}

TEST(Quantize, ErrorStaysWithinHalfAStep) {
  std::mt19937 rng(11);
  const int columns = 1024;
  const auto x = random_activations(1, columns, rng);
  for (const KernelTable* table : tested_tables()) {
    for (const auto& [type, rule] : kTypesAndRules) {
      const OwnedActivations a(table->linear, type, x.data(), 1, columns, rule);
      EXPECT_EQ(a.view.max, type == DType::kQ5_0 ? 112 : 120);
      EXPECT_EQ(*std::max_element(a.high.begin(), a.high.end()), a.view.max);
      for (int k = 0; k < columns; ++k) {
        const auto b = static_cast<std::size_t>(k / 32);
        const bool is_fine = a.low_of(0, k / 32);
        const double scale = double{a.scales[b]} / (is_fine ? low_units(a.view.max) : 1);
        const double error = a.value(ActivationKind::kInt8, 0, k) - x[static_cast<std::size_t>(k)];
        EXPECT_LE(std::fabs(error), 0.51 * scale) << table->name << " " << k;
      }
    }
  }
}

TEST(Quantize, SumsAreOfTheQuantizedValues) {
  std::mt19937 rng(5);
  const auto x = random_activations(1, 320, rng);
  const LinearKernels& k = table().linear;
  const OwnedActivations a(k, DType::kQ4_0, x.data(), 1, 320, SecondPlane::kFast);
  const int units = low_units(a.view.max);
  int count = 0;
  for (std::size_t b = 0; b < 10; ++b) {
    const LowBlock* l = a.low_of(0, static_cast<int>(b));
    const bool out = l != nullptr;
    count += out;
    int high[kBlockSums] = {}, low[kBlockSums] = {};
    for (std::size_t i = 0; i < 32; ++i)
      for (std::size_t h : {i / 16, std::size_t{2}}) {
        high[h] += a.high[32 * b + i];
        if (out) low[h] += l->values[i];
      }
    for (std::size_t h = 0; h < kBlockSums; ++h) {
      EXPECT_EQ(a.negated_high[10 * h + b], -high[h]);
      if (out) {
        EXPECT_EQ(l->negated_sums[h], -low[h]);
      }
      const float unit = out ? a.scales[b] / static_cast<float>(units) : a.scales[b];
      const int sum = out ? units * high[h] + low[h] : high[h];
      EXPECT_EQ(a.scaled_sums[10 * h + b], unit * static_cast<float>(sum));
    }
  }
  EXPECT_GT(count, 0);
}

TEST(Isa, ScalarIsAlwaysThereAndLast) {
  ASSERT_FALSE(usable_tables().empty());
  EXPECT_STREQ(usable_tables().back()->name, "scalar");
}

TEST(Isa, AnUnknownNameIsSaidSo) {
  const char* before = std::getenv("PRONK_ISA");
  const std::string kept = before ? before : "";
  setenv("PRONK_ISA", "avx1024", 1);
  const Status status = check_isa_choice();
  before ? setenv("PRONK_ISA", kept.c_str(), 1) : unsetenv("PRONK_ISA");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_NE(status.error().message.find("avx1024"), std::string::npos);
  EXPECT_NE(status.error().message.find("scalar"), std::string::npos);
}

}  // namespace
}  // namespace pronk::kernels
