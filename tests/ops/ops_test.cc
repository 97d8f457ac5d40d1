// Operations one by one: what they are, what they take, and that PlanOps takes the same.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "ops/op_parts.h"
#include "ops/plan_ops.h"

namespace pronk {
namespace {

using namespace testing;

class LinearOfType : public ::testing::TestWithParam<DType> {};

TEST_P(LinearOfType, IsXTimesWTransposed) {
  for (bool packed : {false, true})
    for (int rows : {1, 31, 33, 100}) {
      const Matrix w(GetParam(), rows, 64, packed, 5);
      auto x = random_values(5 * 64, 6);
      Cpu cpu(2);
      cpu.op.begin_step(5, 16);
      const Tensor y = cpu.op.linear(view(x, 5), w.handle);
      ASSERT_EQ(y.columns, rows);
      for (int t = 0; t < 5; ++t)
        for (int r = 0; r < rows; ++r) {
          double sum = 0, size = 0;
          for (int i = 0; i < 64; ++i) {
            const double term = double{x[static_cast<std::size_t>(t * 64 + i)]} *
                                w.values[static_cast<std::size_t>(r * 64 + i)];
            sum += term;
            size += std::abs(term);
          }
          // Exact weights read as floats: rounding alone. Packed: activations in two planes
          // (2^-16), or in bfloat16 (2^-9).
          const bool half = GetParam() == DType::kBF16 || GetParam() == DType::kF16;
          EXPECT_NEAR(y.row(t)[r], sum,
                      size * (!packed ? 1e-6
                              : half  ? 4e-3
                                      : 4e-5))
              << "row " << r << (packed ? " packed" : "");
        }
    }
}
// As the head's, in a step of which no row's logits are wanted.
TEST_P(LinearOfType, OfNoRowsIsNone) {
  for (bool packed : {false, true}) {
    const Matrix w(GetParam(), 33, 64, packed, 5);
    auto x = random_values(64, 6);
    Cpu cpu(2);
    cpu.op.begin_step(1, 16);
    EXPECT_EQ(cpu.op.linear(Tensor{x.data(), 0, 64}, w.handle).rows, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LinearOfType,
                         ::testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0,
                                           DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0),
                         [](const auto& test) {
                           return std::string(pronk::info(test.param).name);
                         });

// The angle is rounded to float32 first, as in the released code; then its cosine is exact.
TEST(CpuOps, RopeIsRightAtTheEndOfALongContext) {
  Rotation r{4, {1.0f, 0.01f}};
  std::vector<float> x = {1, 0, 0, 1};
  const int position = 131071;
  Cpu cpu(1);
  cpu.op.begin_step(1, 4);
  const Tensor y = cpu.op.rope(view(x, 1), {&position, 1}, r);
  EXPECT_EQ(y.data[0], static_cast<float>(std::cos(131071.0)));
  EXPECT_EQ(y.data[2], static_cast<float>(std::sin(131071.0)));
  const double angle = 131071.0f * 0.01f;
  EXPECT_EQ(y.data[1], -static_cast<float>(std::sin(angle)));
  EXPECT_EQ(y.data[3], static_cast<float>(std::cos(angle)));
}

// Attention over several splits against the equation in double.
TEST(CpuOps, AttendIsTheEquationOverManySplits) {
  const int n = 1100, heads = 4, kv_heads = 2, dim = 24;
  const KvShape shape{1, kv_heads, dim, kernels::KvType::kF32};
  const int num_pages = (n + kKvPageTokens - 1) / kKvPageTokens;
  const KvCache cache = *KvCache::create(shape, num_pages);
  std::vector<int> pages(static_cast<std::size_t>(num_pages)),
      positions(static_cast<std::size_t>(n));
  std::iota(pages.rbegin(), pages.rend(), 0);
  std::iota(positions.begin(), positions.end(), 0);
  auto q = random_values(n * heads * dim, 1), k = random_values(n * kv_heads * dim, 2),
       v = random_values(n * kv_heads * dim, 3);
  const BatchSequence sequence{0, n, 0, pages};
  Cpu cpu(2);
  cpu.op.begin_step(n, dim);
  const Tensor y = cpu.op.attend(view(q, n), view(k, n), view(v, n),
                                 {{}, positions, {&sequence, 1}, {}}, cache[0]);
  for (int t : {0, 1, 31, 32, 511, 512, 513, 1023, 1024, 1099})
    for (int h = 0; h < heads; ++h) {
      std::vector<double> sum(dim);
      double weight = 0;
      for (int s = 0; s <= t; ++s) {
        const float* key = k.data() + (s * kv_heads + h / 2) * dim;
        const float* value = v.data() + (s * kv_heads + h / 2) * dim;
        double score = 0;
        for (int d = 0; d < dim; ++d)
          score += double{q[static_cast<std::size_t>((t * heads + h) * dim + d)]} * key[d];
        const double e = std::exp(score / std::sqrt(double{dim}));
        weight += e;
        for (int d = 0; d < dim; ++d) sum[static_cast<std::size_t>(d)] += e * value[d];
      }
      for (int d = 0; d < dim; ++d)
        EXPECT_NEAR(y.row(t)[h * dim + d], sum[static_cast<std::size_t>(d)] / weight, 1e-6)
            << t << " " << h;
    }
}

// The last tokens of a sequence, by each number of threads: they share what one walks over alone.
struct Tail {
  int kv_heads, length, num_tokens;
};
class AttendTail : public ::testing::TestWithParam<Tail> {};

TEST_P(AttendTail, HasTheSameBitsForAnyNumberOfThreads) {
  const int kv_heads = GetParam().kv_heads, length = GetParam().length,
            num_tokens = GetParam().num_tokens;
  constexpr int kDim = 16, kGroup = 2;
  const KvShape shape{1, kv_heads, kDim, kernels::KvType::kBF16};
  const int num_pages = (length + kKvPageTokens - 1) / kKvPageTokens;
  const KvCache cache = *KvCache::create(shape, num_pages);
  std::vector<int> pages(static_cast<std::size_t>(num_pages)),
      positions(static_cast<std::size_t>(length));
  std::iota(pages.begin(), pages.end(), 0);
  std::iota(positions.begin(), positions.end(), 0);
  const int q_dims = kv_heads * kGroup * kDim, kv_dims = kv_heads * kDim;
  auto q = random_values(std::int64_t{length} * q_dims, 1);
  auto k = random_values(std::int64_t{length} * kv_dims, 2), v = k;
  const auto last_tokens = [&](int threads, int count) {
    const int first = length - count;
    const BatchSequence sequence{0, count, first, pages};
    Cpu cpu(threads, 256 << 20);
    cpu.op.begin_step(count, kDim);
    const auto rows = [&](std::vector<float>& values, int width) {
      return Tensor{values.data() + std::int64_t{first} * width, count, width};
    };
    const Tensor y = cpu.op.attend(
        rows(q, q_dims), rows(k, kv_dims), rows(v, kv_dims),
        {{}, std::span(positions).subspan(static_cast<std::size_t>(first)), {&sequence, 1}, {}},
        cache[0]);
    return std::vector<float>(y.row(count - num_tokens), y.row(count));
  };
  const std::vector<float> whole = last_tokens(1, length);  // and stores them all
  for (const int threads : {1, 2, 3, 5}) EXPECT_EQ(last_tokens(threads, num_tokens), whole);
}

INSTANTIATE_TEST_SUITE_P(Lengths, AttendTail,
                         ::testing::Values(Tail{3, 1100, 1},     // all splits of all heads at once
                                           Tail{3, 1100, 20},    //
                                           Tail{3, 2112, 32},    // head by head
                                           Tail{1, 4704, 32}));  // splits of one head in turns

// One layer's worth of operations, whatever Ops is.
template <Ops O>
void layer_like(O& op, const Matrix& square, const Matrix& wide, const NormWeight& norm,
                const Rotation& rotation, const Batch& batch, KvLayer kv) {
  Tensor x = op.embed(square.handle, batch.tokens);
  for (int i = 0; i < 2; ++i) {
    auto layer = op.enter_layer(i);
    const Tensor n = op.rms_norm(x, norm, 1e-5f);
    const Tensor q = op.rope(op.linear(n, square.handle), batch.positions, rotation);
    const Tensor y =
        op.attend(q, op.linear(n, square.handle), op.linear(n, square.handle), batch, kv);
    x = op.add(x, op.linear(y, square.handle));
    const Tensor gate = op.linear(x, wide.handle), up = op.linear(x, wide.handle);
    op.swiglu(gate, up);
    x = op.add(x, n);
  }
  op.linear(op.select_rows(x, batch.logit_rows), wide.handle);
}

// Weights of 5 bits take the same row with another max than others do.
TEST(CpuOps, RowsAreQuantizedForEachMaxOfTheirWeights) {
  const int tokens = 20;
  const Matrix four(DType::kQ4_0, 33, 64, true, 5), five(DType::kQ5_1, 33, 64, true, 7);
  auto x = random_values(tokens * 64, 6);
  const auto product = [&](Cpu& cpu, const Matrix& w) {
    const Tensor y = cpu.op.linear(view(x, tokens), w.handle);
    return std::vector<float>(y.data, y.data + y.size());
  };
  const auto alone = [&](const Matrix& w) {
    Cpu cpu(2);
    cpu.op.begin_step(tokens, 16);
    return product(cpu, w);
  };
  Cpu cpu(2);
  cpu.op.begin_step(tokens, 16);
  for (const Matrix* w : {&five, &four, &five}) EXPECT_EQ(product(cpu, *w), alone(*w));
}

TEST(PlanOps, CountsTheArenaToTheByte) {
  const NormWeight norm{"norm", 64, std::vector<float>(64, 1.0f)};
  const Rotation rotation{16, std::vector<float>(8, 0.1f)};
  const KvShape shape{1, 4, 16, kernels::KvType::kBF16};
  const KvCache cache = *KvCache::create(shape, 8);
  for (DType type : {DType::kQ8_0, DType::kBF16, DType::kF32})
    for (bool packed : {true, false})
      for (int threads : {1, 3}) {
        const Matrix square(type, 64, 64, packed, 1), wide(type, 160, 64, packed, 2);
        const std::vector<TokenId> tokens(45, 3);
        std::vector<int> positions(45), pages = {5, 2};
        std::iota(positions.begin(), positions.end(), 0);
        const std::vector<int> rows = {0, 44};
        const BatchSequence sequence{0, 45, 0, pages};
        const Batch batch{tokens, positions, {&sequence, 1}, rows};
        PlanOps planned(kernels::table().linear, threads);
        planned.begin_step(45, 16);
        layer_like(planned, square, wide, norm, rotation, batch, KvCache::counting(shape)[0]);
        Cpu cpu(threads, planned.arena_bytes());  // one byte less would abort
        cpu.op.begin_step(45, 16);
        layer_like(cpu.op, square, wide, norm, rotation, batch, cache[0]);
        EXPECT_EQ(cpu.arena.most_used(), planned.arena_bytes());
      }
}

TEST(ArenaDeathTest, TakingMoreThanPlannedIsABrokenInvariant) {
  Arena arena = *Arena::of_bytes(128);
  arena.take(100);
  EXPECT_DEATH(arena.take(1), "no more than was planned");
}

TEST(CpuOpsDeathTest, ShapesThatDoNotFitAreABrokenInvariant) {
  const Matrix w(DType::kF32, 32, 64, true, 1);
  std::vector<float> x(32);
  Cpu cpu(1);
  cpu.op.begin_step(1, 16);
  EXPECT_DEATH(cpu.op.linear(view(x, 1), w.handle), "a column for each column");
}

}  // namespace
}  // namespace pronk
