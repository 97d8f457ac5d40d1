// Every vector kernel of every usable table against a plain reading in double, and bit for bit
// against the scalar table.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/random_values.h"
#include "kernels/tested_tables.h"

namespace pronk {
namespace {

using kernels::KernelTable;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

const KernelTable& scalar() { return *kernels::tested_tables().back(); }

// Runs `compute` with each table; all must give the scalar table's bits. The caller checks the
// scalar result itself.
std::vector<float> same_everywhere(
    const std::function<std::vector<float>(const kernels::VectorKernels&)>& compute) {
  const std::vector<float> expected = compute(scalar().vector);
  for (const KernelTable* t : kernels::tested_tables()) {
    const std::vector<float> found = compute(t->vector);
    EXPECT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (std::isnan(expected[i]))
        EXPECT_TRUE(std::isnan(found[i])) << t->name << " at " << i;
      else
        EXPECT_EQ(std::bit_cast<std::uint32_t>(found[i]), std::bit_cast<std::uint32_t>(expected[i]))
            << t->name << " at " << i;
  }
  return expected;
}

TEST(VectorKernels, RmsNormIsTheEquation) {
  for (int n : {1, 7, 16, 17, 63, 64, 65, 172, 576, 4096}) {
    const auto x = random_values(n, 1, 3), w = random_values(n, 2);
    const auto y = same_everywhere([&](const auto& k) {
      std::vector<float> out(x.size());
      k.rms_norm(x.data(), w.data(), n, 1e-5f, out.data());
      return out;
    });
    double squares = 0;
    for (float v : x) squares += double{v} * v;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double expected = x[i] / std::sqrt(squares / n + 1e-5) * w[i];
      EXPECT_NEAR(y[i], expected, 1e-6 * std::abs(expected) + 1e-12) << n << " at " << i;
    }
  }
}

TEST(VectorKernels, RopeTurnsPairsOfHalves) {
  for (int head_dim : {2, 8, 32, 48, 64, 128}) {
    const int half = head_dim / 2, heads = 3;
    const auto x = random_values(heads * head_dim, 3), angle = random_values(half, 4, 3);
    std::vector<float> c, s;
    for (float a : angle) c.push_back(std::cos(a)), s.push_back(std::sin(a));
    const auto y = same_everywhere([&](const auto& k) {
      auto out = x;
      k.rope(out.data(), c.data(), s.data(), heads, head_dim);
      return out;
    });
    for (int h = 0; h < heads; ++h)
      for (int i = 0; i < half; ++i) {
        const auto a = static_cast<std::size_t>(h * head_dim + i),
                   b = a + static_cast<std::size_t>(half), j = static_cast<std::size_t>(i);
        EXPECT_NEAR(y[a], double{x[a]} * c[j] - double{x[b]} * s[j], 1e-6);
        EXPECT_NEAR(y[b], double{x[b]} * c[j] + double{x[a]} * s[j], 1e-6);
      }
  }
}

TEST(VectorKernels, ExpIsWithinTwoUnitsAndKeepsItsEnds) {
  std::vector<float> x;
  for (double v = -87.3; v < 88.7; v += 0.00137) x.push_back(static_cast<float>(v));
  const std::size_t ordinary = x.size();
  x.insert(x.end(), {0.0f, -0.0f, -88.0f, -1e30f, -kInf, 89.0f, 1e30f, kInf, kNan});
  const auto y = same_everywhere([&](const auto& k) {
    std::vector<float> out(x.size());
    k.exp(x.data(), static_cast<std::int64_t>(x.size()), out.data());
    return out;
  });
  double worst = 0;
  for (std::size_t i = 0; i < ordinary; ++i) {
    const double exact = std::exp(double{x[i]});
    const double unit = std::nextafter(static_cast<float>(exact), kInf) - static_cast<float>(exact);
    worst = std::max(worst, std::abs(y[i] - exact) / unit);
  }
  EXPECT_LE(worst, 2.0);
  const std::vector<float> ends(y.begin() + static_cast<std::ptrdiff_t>(ordinary), y.end() - 1);
  EXPECT_EQ(ends, (std::vector<float>{1, 1, 0, 0, 0, kInf, kInf, kInf}));
  EXPECT_TRUE(std::isnan(y.back()));
}

TEST(VectorKernels, SwigluAddAndScaleAreTheirEquations) {
  for (int n : {1, 15, 16, 33, 1000}) {
    const auto g = random_values(n, 5, 4), u = random_values(n, 6);
    const auto y = same_everywhere([&](const auto& k) {
      std::vector<float> out(g.size());
      k.swiglu(g.data(), u.data(), n, out.data());
      return out;
    });
    const auto z = same_everywhere([&](const auto& k) {
      std::vector<float> out(g.size());
      k.add(g.data(), u.data(), n, out.data());
      k.scale(out.data(), 0.3f, n, out.data());
      return out;
    });
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_NEAR(y[i], double{g[i]} / (1 + std::exp(-double{g[i]})) * u[i], 1e-5);
      EXPECT_EQ(z[i], (g[i] + u[i]) * 0.3f);
    }
  }
  std::vector<float> x, ones;
  for (float g = -87; g < 100; g += 0.003f) x.push_back(g), ones.push_back(1);
  std::vector<float> silu(x.size());
  kernels::table().vector.swiglu(x.data(), ones.data(), std::ssize(x), silu.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = double{x[i]} / (1 + std::exp(-double{x[i]}));
    ASSERT_NEAR(silu[i], exact, 4e-7 * std::abs(exact)) << x[i];
  }
  for (float far : {-200.0f, 200.0f}) {  // silu's ends
    float g = far;
    const float one = 1;
    kernels::table().vector.swiglu(&g, &one, 1, &g);
    EXPECT_EQ(g, far < 0 ? 0.0f : far);
  }
}

TEST(VectorKernels, Bf16RoundsToNearestTiesToEven) {
  const std::vector<float> x = {
      1.0f, 1.00390625f /* tie, down */, 1.01171875f /* tie, up */, 1.00391f, -0.0f, kInf, 3.4e38f,
      kNan};
  std::vector<std::uint16_t> bits(x.size());
  for (const KernelTable* t : kernels::tested_tables()) {
    t->vector.f32_to_bf16(x.data(), static_cast<std::int64_t>(x.size()), bits.data());
    EXPECT_EQ(std::vector<std::uint16_t>(bits.begin(), bits.end() - 1),
              (std::vector<std::uint16_t>{0x3f80, 0x3f80, 0x3f82, 0x3f81, 0x8000, 0x7f80, 0x7f80}));
    float back = 0;
    t->vector.bf16_to_f32(&bits.back(), 1, &back);
    EXPECT_TRUE(std::isnan(back));
  }
}

TEST(VectorKernels, ReductionsOverTheVocabulary) {
  for (int n : {1, 5, 16, 1023, 1024, 1025, 49152}) {
    auto x = random_values(n, 7, 5);
    const int best = n / 2;
    x[static_cast<std::size_t>(best)] = 40;
    x.back() = std::max(x.back(), n > 1 ? 40.0f : x.back());  // a tie: the first wins
    double sum = 0;
    for (float v : x) sum += std::exp(double{v} - 40);
    for (const KernelTable* t : kernels::tested_tables()) {
      EXPECT_EQ(t->vector.argmax(x.data(), n), best) << t->name << n;
      EXPECT_NEAR(t->vector.logsumexp(x.data(), n), 40 + std::log(sum), 1e-6) << t->name << n;
      EXPECT_TRUE(t->vector.all_finite(x.data(), n));
      auto bad = x;
      bad[static_cast<std::size_t>(n - 1)] = kNan;
      EXPECT_EQ(t->vector.argmax(bad.data(), n), -1);
      EXPECT_TRUE(std::isnan(t->vector.logsumexp(bad.data(), n)));
      EXPECT_FALSE(t->vector.all_finite(bad.data(), n));
      bad[static_cast<std::size_t>(n - 1)] = -kInf;  // a masked token is not a NaN
      EXPECT_EQ(t->vector.argmax(bad.data(), n), n == 1 ? 0 : best);
      EXPECT_FALSE(t->vector.all_finite(bad.data(), n));
    }
    const auto p = same_everywhere([&](const auto& k) {
      auto out = x;
      k.softmax(out.data(), n);
      return out;
    });
    EXPECT_NEAR(std::accumulate(p.begin(), p.end(), 0.0), 1, 1e-6);
    EXPECT_NEAR(p[static_cast<std::size_t>(best)], 1 / sum, 1e-6);
  }
}

}  // namespace
}  // namespace pronk
