// Rows of prompts (LinearKernels::multiply_bf16), on every usable table that has kernels for them.
#include <gtest/gtest.h>

#include "kernels/linear_cases.h"
#include "kernels/tested_tables.h"

namespace pronk::kernels {
namespace {

std::vector<const KernelTable*> tables_for(DType type) {
  std::vector<const KernelTable*> tables;
  for (const KernelTable* table : tested_tables())
    if (table->linear.multiply_bf16[index(type)]) tables.push_back(table);
  return tables;
}

// All panels of the matrix one after the other, in one call.
std::vector<float> multiply_prompt(const KernelTable& table, const Matrix& m,
                                   const OwnedActivations& x, int y_stride) {
  Bytes panels;
  for (const Bytes& panel : m.panels) panels.insert(panels.end(), panel.begin(), panel.end());
  std::vector<float> y(static_cast<std::size_t>(x.view.num_rows * y_stride), 12345.0f);
  table.linear.multiply_bf16[index(m.type)](
      {panels.data(), static_cast<std::int64_t>(m.panels[0].size()), m.rows}, x.view, y.data(),
      y_stride);
  return y;
}

class PromptLinears : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (tables_for(type()).empty()) GTEST_SKIP() << "no kernels for prompts on this CPU";
  }
  DType type() const { return static_cast<DType>(GetParam()); }
  std::mt19937 rng{static_cast<unsigned>(GetParam()) + 70};
};

// Σ x w in float64 over the bf16 activations, within the sum's roundings and those of each weight:
// to bf16 by cutting off (docs/kernels.md), and of its affine form, beside the row's largest.
TEST_P(PromptLinears, AreWithinTheBoundOfFloat64) {
  for (const KernelTable* table : tables_for(type()))
    for (const int tokens : {3, 40, 300}) {
      const int columns = columns_for(type(), 1056), rows = 77;
      const Matrix m = random_matrix(type(), rows, columns, rng);
      const auto values = random_activations(tokens, columns, rng);
      const OwnedActivations x(table->linear, type(), values.data(), tokens, columns,
                               SecondPlane::kFast);
      const auto y = multiply_prompt(*table, m, x, rows);
      const double gamma = (columns + 3) * 0x1p-24;
      std::vector<float> w(static_cast<std::size_t>(columns));
      for (int r = 0; r < rows; ++r) {
        dequantize_row(type(), m.stored[static_cast<std::size_t>(r)].data(), columns, w.data());
        double largest = 0;
        for (const float v : w) largest = std::max<double>(largest, std::fabs(v));
        for (int t = 0; t < tokens; ++t) {
          double sum = 0, bound = 0;
          for (int k = 0; k < columns; ++k) {
            const double a = x.value(ActivationKind::kBF16, t, k);
            const double weight = w[static_cast<std::size_t>(k)];
            const double error = type() == DType::kBF16 ? 0 : 0x1p-7 * std::fabs(weight);
            sum += weight * a;
            bound += std::fabs(a) * (gamma * std::fabs(weight) + error + 0x1p-14 * largest);
          }
          ASSERT_LE(std::fabs(y[static_cast<std::size_t>(t * rows + r)] - sum), bound)
              << table->name << " row " << r << " token " << t;
        }
      }
    }
}

TEST_P(PromptLinears, HaveTheSameBitsAloneAndInAnyBatch) {
  const int columns = columns_for(type(), 768), tokens = 301, rows = 600;
  const Matrix m = random_matrix(type(), rows, columns, rng);
  const auto x = random_activations(tokens, columns, rng);
  for (const KernelTable* table : tables_for(type())) {
    const auto whole = multiply_prompt(
        *table, m, {table->linear, type(), x.data(), tokens, columns, SecondPlane::kFast}, rows);
    for (int batch : {1, 5, 16, 17, 32, 33, 64, 257})
      for (int t : {0, tokens - batch}) {
        const auto part = multiply_prompt(
            *table, m,
            {table->linear, type(), x.data() + t * columns, batch, columns, SecondPlane::kFast},
            rows);
        ASSERT_EQ(std::memcmp(part.data(), whole.data() + t * rows, part.size() * 4), 0)
            << table->name << ": " << batch << " from token " << t;
      }
  }
}

// Where weights take rows of replies as bf16 too, a row has the same bits by either kernel.
TEST_P(PromptLinears, AreThePanelsProductsWhereAllRowsAreBf16) {
  const int columns = columns_for(type(), 512), tokens = 37, rows = 70;
  const Matrix m = random_matrix(type(), rows, columns, rng);
  const auto values = random_activations(tokens, columns, rng);
  for (const KernelTable* table : tables_for(type())) {
    if (table->linear.activation_kind[index(type())] != ActivationKind::kBF16) continue;
    const OwnedActivations x(table->linear, type(), values.data(), tokens, columns,
                             SecondPlane::kFast);
    EXPECT_EQ(multiply(*table, m, x), multiply_prompt(*table, m, x, rows)) << table->name;
  }
}

TEST_P(PromptLinears, WriteNothingBesideTheirRows) {
  const int columns = columns_for(type(), 64);
  for (const KernelTable* table : tables_for(type()))
    for (const int rows : {1, 15, 31, 33, 50, 64}) {
      const Matrix m = random_matrix(type(), rows, columns, rng);
      const auto x = random_activations(40, columns, rng);
      const auto y = multiply_prompt(
          *table, m, {table->linear, type(), x.data(), 40, columns, SecondPlane::kFast}, 70);
      for (std::size_t i = 0; i < y.size(); ++i)
        ASSERT_EQ(y[i] != 12345.0f, i % 70 < static_cast<std::size_t>(rows)) << table->name << i;
    }
}

TEST_P(PromptLinears, PassNoNumbersOn) {
  const int columns = columns_for(type(), 512), rows = 32;
  const Matrix m = random_matrix(type(), rows, columns, rng);
  auto x = random_activations(3, columns, rng);
  x[static_cast<std::size_t>(columns) + 5] = std::numeric_limits<float>::quiet_NaN();
  for (const KernelTable* table : tables_for(type())) {
    const auto y = multiply_prompt(
        *table, m, {table->linear, type(), x.data(), 3, columns, SecondPlane::kFast}, rows);
    for (std::size_t i = 0; i < y.size(); ++i)
      EXPECT_EQ(std::isnan(y[i]), i / rows == 1) << table->name << " " << i;
  }
}

// Those that any CPU has such kernels for.
std::vector<int> prompt_types() {
  std::vector<int> types;
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    if (info(type).block_size > 1 || type == DType::kBF16) types.push_back(i);
  }
  return types;
}

INSTANTIATE_TEST_SUITE_P(Types, PromptLinears, testing::ValuesIn(prompt_types()),
                         [](const testing::TestParamInfo<int>& parameter) {
                           return std::string(
                               pronk::info(static_cast<DType>(parameter.param)).name);
                         });

}  // namespace
}  // namespace pronk::kernels
