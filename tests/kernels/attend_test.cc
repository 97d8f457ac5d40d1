// Attention kernels of every usable table against the equation in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/random_values.h"
#include "kernels/tested_tables.h"
#include "tensor/dtype.h"

namespace pronk {
namespace {

using namespace kernels;

constexpr KvType kTypes[] = {KvType::kF32, KvType::kBF16, KvType::kBF16Wide, KvType::kInt8};

const CacheKernels& cache_of(const KernelTable& t, KvType type) {
  return t.attend.cache[static_cast<std::size_t>(type)];
}

// Whether the table's products of bfloat16 are its CPU's own, whose bits are its own too.
bool has_own_bits(const KernelTable& t, KvType type) {
  constexpr auto kBF16 = static_cast<std::size_t>(DType::kBF16);
  return type == KvType::kBF16 && t.linear.activation_kind[kBF16] == ActivationKind::kBF16;
}

float as_bf16(float x) {  // ties to even
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u);
}

// The Walsh-Hadamard transform of each block of 2^n, by its definition.
std::vector<double> rotated(const std::vector<double>& x) {
  const auto dims = static_cast<int>(x.size()), block = dims & -dims;
  std::vector<double> out(x.size());
  for (int i = 0; i < dims; ++i)
    for (int j = i / block * block; j < i / block * block + block; ++j) {
      const bool odd = std::popcount(static_cast<unsigned>(i % block & j % block)) % 2;
      out[static_cast<std::size_t>(i)] += (odd ? -1 : 1) * x[static_cast<std::size_t>(j)];
    }
  return out;
}

// Keys and values of one kv head, stored in pieces into pages that held garbage.
struct Pages {
  KvType type;
  int head_dim, num_keys;
  std::vector<float> keys, values;  // [num_keys, head_dim], as the cache rounds them
  mutable std::vector<std::vector<std::byte>> memory;  // through a KvPage it may be written to

  Pages(const KernelTable& table, KvType t, int k, int n, int piece)
      : type(t),
        head_dim(k),
        num_keys(n),
        keys(random_values(std::int64_t{n} * k, 8)),
        values(random_values(std::int64_t{n} * k, 9)) {
    memory.resize(static_cast<std::size_t>((n + kPageKeys - 1) / kPageKeys),
                  std::vector<std::byte>(static_cast<std::size_t>(kv_head_bytes(t, k)),
                                         std::byte{0xff}));  // NaN in every type
    for (int begin = 0, count = 0; begin < n; begin += count) {
      count = std::min({piece, n - begin, kPageKeys - begin % kPageKeys});
      cache_of(table, t).store({.keys = keys.data() + begin * k,
                                .values = values.data() + begin * k,
                                .stride = k,
                                .first_slot = begin % kPageKeys,
                                .num_tokens = count,
                                .head_dim = k},
                               page(begin / kPageKeys));
    }
    if (t == KvType::kInt8) read_back();
    if (t == KvType::kBF16 || t == KvType::kBF16Wide)
      for (auto* v : {&keys, &values})
        for (float& x : *v) x = as_bf16(x);
  }

  KvPage page(int i) const {
    std::byte* part = memory[static_cast<std::size_t>(i)].data();
    return {part, part + kv_keys_bytes(type, head_dim)};
  }

 private:
  // What an int8 page holds, dimension by dimension of the layout of attend_kernels.h, and how far
  // it may be from what was stored.
  void read_back() {
    const int key_dims = padded_key_dim(type, head_dim), width = padded_head_dim(head_dim);
    for (int i = 0; i < num_keys; ++i) {
      const std::byte* page = memory[static_cast<std::size_t>(i / kPageKeys)].data();
      const int slot = i % kPageKeys;
      const auto byte = [&](int at) { return std::to_integer<int>(page[at]); };
      float scales[2][kPageKeys];
      std::memcpy(scales, page + kPageKeys * key_dims, sizeof scales);
      std::vector<double> key, value;
      for (int d = 0; d < head_dim; ++d) {
        key.push_back(byte((d / 4 * kPageKeys + slot) * 4 + d % 4) - 128);
        value.push_back(
            static_cast<std::int8_t>(byte(static_cast<int>(kv_keys_bytes(type, head_dim)) +
                                          (slot / 4 * width + d) * 4 + slot % 4)));
      }
      put_back(key, scales[0][slot], keys.data() + std::ptrdiff_t{i} * head_dim);
      put_back(value, scales[1][slot], values.data() + std::ptrdiff_t{i} * head_dim);
    }
  }

  void put_back(const std::vector<double>& levels, double scale, float* row) const {
    const std::vector<double> turned_back = rotated(levels);
    const int block = head_dim & -head_dim;
    double most = 0;
    for (const double level : levels) most = std::max(most, std::abs(level));
    EXPECT_EQ(most, 127) << "the largest uses the whole range";
    for (std::size_t d = 0; d < levels.size(); ++d) {
      const auto stored = static_cast<float>(turned_back[d] * scale / block);
      EXPECT_NEAR(stored, row[d], scale * 0.5001) << "half a step of each level, at most";
      row[d] = stored;
    }
  }
};

struct Attended {
  std::vector<float> value;  // [rows][head_dim], divided by the sums
  std::vector<float> max, sum;
  bool operator==(const Attended&) const = default;
};

Attended attend(const KernelTable& table, const Pages& pages, const std::vector<float>& q,
                const std::vector<int>& visible) {
  const int rows = static_cast<int>(visible.size()), k = pages.head_dim;
  const CacheKernels& cache = cache_of(table, pages.type);
  const std::int64_t query_bytes = kv_query_bytes(pages.type, k);
  std::vector<std::byte> queries(static_cast<std::size_t>(rows * query_bytes));
  for (int r = 0; r < rows; ++r)
    cache.take_query(q.data() + r * k, static_cast<float>(std::numbers::log2e), k,
                     queries.data() + r * query_bytes);
  std::vector<KvPage> places;
  for (int i = 0; i < std::ssize(pages.memory); ++i) places.push_back(pages.page(i));
  const int width = padded_head_dim(k);
  std::vector<float> scores(kMaxQueryRows * kSplitKeys), weights(scores.size()),
      values(static_cast<std::size_t>(kSplitKeys * width) / sizeof(float)),
      value(static_cast<std::size_t>(rows * width)), y(static_cast<std::size_t>(k));
  Attended out{{}, std::vector<float>(visible.size()), std::vector<float>(visible.size())};
  cache.attend({queries.data(), visible.data(), places.data(), places.data(), scores.data(),
                weights.data(), values.data(), rows, k},
               {value.data(), out.max.data(), out.sum.data()});
  for (int r = 0; r < rows; ++r) {
    cache.give_value(value.data() + r * width, 1 / out.sum[static_cast<std::size_t>(r)], k,
                     y.data());
    out.value.insert(out.value.end(), y.begin(), y.end());
  }
  return out;
}

// softmax(q kᵀ) v of one row over its first n keys, and Σ weight |v| beside it.
struct Exact {
  std::vector<double> value, size;

  Exact(const Pages& pages, const float* q, int n)
      : value(static_cast<std::size_t>(pages.head_dim)), size(value.size()) {
    double sum = 0;
    for (int key = 0; key < n; ++key) {
      const std::ptrdiff_t at = std::ptrdiff_t{key} * pages.head_dim;
      double score = 0;
      for (int d = 0; d < pages.head_dim; ++d)
        score += double{q[d]} * pages.keys[static_cast<std::size_t>(at + d)];
      sum += std::exp(score);
      for (std::size_t d = 0; d < value.size(); ++d) {
        const double v = pages.values[static_cast<std::size_t>(at) + d];
        value[d] += std::exp(score) * v;
        size[d] += std::exp(score) * std::abs(v);
      }
    }
    for (std::size_t d = 0; d < value.size(); ++d) {
      value[d] /= sum;
      size[d] /= sum;
    }
  }
};

// Queries that stay what they are when they are multiplied by log2(e) and rounded to bfloat16.
std::vector<float> queries(KvType type, int rows, int head_dim) {
  auto q = random_values(std::int64_t{rows} * head_dim, 10, 0.3);
  const auto log2e = static_cast<float>(std::numbers::log2e);
  if (type == KvType::kBF16)
    for (float& x : q) x = as_bf16(x * log2e) / log2e;
  return q;
}

// How far a value may be from the equation, of Σ weight |v|: a bfloat16 cache rounds weights to 8
// bits, an int8 cache queries to 15; the rest is rounding in fp32.
double bound_of(KvType type) {
  return type == KvType::kBF16 ? 0x1p-8 : type == KvType::kInt8 ? 0x1p-10 : 4e-6;
}

TEST(AttendKernels, AreSoftmaxOverTheVisibleKeys) {
  for (const KvType type : kTypes)
    for (int head_dim : {4, 8, 16, 48, 64, 80, 96, 128})
      for (int num_keys : {1, 2, 31, 33, 200, 511, 512}) {
        std::vector<int> visible;
        for (int r = 0; r < 31; ++r) visible.push_back(std::max(1, num_keys - 30 + r));
        const auto q = queries(type, 31, head_dim);
        const KernelTable& plain = *tested_tables().back();
        Pages pages(plain, type, head_dim, num_keys, 32);
        std::vector<Exact> exact;
        for (int r = 0; r < 31; ++r)
          exact.emplace_back(pages, q.data() + std::ptrdiff_t{r} * head_dim,
                             visible[static_cast<std::size_t>(r)]);
        const Attended first = attend(plain, pages, q, visible);
        for (const KernelTable* t : tested_tables()) {
          const Pages same(*t, type, head_dim, num_keys, 32);
          ASSERT_EQ(same.keys, pages.keys);
          ASSERT_EQ(same.values, pages.values);
          const Attended y = attend(*t, same, q, visible);
          if (!has_own_bits(*t, type)) {
            EXPECT_EQ(y, first) << t->name;
          }
          for (std::size_t r = 0; r < exact.size(); ++r) {
            const double size = *std::max_element(exact[r].size.begin(), exact[r].size.end());
            for (std::size_t d = 0; d < exact[r].value.size(); ++d)
              ASSERT_NEAR(y.value[r * exact[r].value.size() + d], exact[r].value[d],
                          bound_of(type) * size)
                  << t->name << " head_dim " << head_dim << ", " << visible[r] << " keys";
          }
        }
      }
}

TEST(AttendKernels, ARowDoesNotFeelItsNeighbours) {
  const std::vector<int> visible = {300, 299, 1, 0, 17, 300, 31, 32, 33, 250, 2, 300, 5, 6, 100};
  for (const KvType type : kTypes)
    for (const KernelTable* t : tested_tables())
      for (int head_dim : {48, 64, 96, 128}) {
        Pages pages(*t, type, head_dim, 300, 32);
        const auto q = queries(type, static_cast<int>(visible.size()), head_dim);
        const Attended together = attend(*t, pages, q, visible);
        const auto row = [&](const std::vector<float>& v, std::size_t r) {
          const auto begin = v.begin() + static_cast<std::ptrdiff_t>(r) * head_dim;
          return std::vector<float>(begin, begin + head_dim);
        };
        for (std::size_t r = 0; r < visible.size(); ++r) {
          const Attended alone = attend(*t, pages, row(q, r), {visible[r]});
          EXPECT_EQ(alone.sum[0], together.sum[r]) << t->name << " row " << r;
          EXPECT_EQ(alone.max[0], together.max[r]);
          if (visible[r] > 0) {
            EXPECT_EQ(alone.value, row(together.value, r)) << t->name << " row " << r;
          }
        }
        EXPECT_EQ(together.sum[3], 0) << "a row that sees no key";
      }
}

TEST(AttendKernels, TokensMayComeInAnyPieces) {
  const std::vector<int> visible = {75, 74, 64, 3};
  for (const KvType type : kTypes)
    for (const KernelTable* t : tested_tables())
      for (int head_dim : {4, 24, 64, 80}) {
        const auto q = queries(type, 4, head_dim);
        const Attended whole = attend(*t, Pages(*t, type, head_dim, 75, 32), q, visible);
        for (int piece : {1, 2, 3, 7, 31})
          EXPECT_EQ(attend(*t, Pages(*t, type, head_dim, 75, piece), q, visible), whole)
              << t->name << " in pieces of " << piece;
      }
}

// The layout of attend_kernels.h, number by number.
TEST(AttendKernels, PagesAreReadyForPairs) {
  const int head_dim = 20, width = 32;
  for (const KernelTable* t : tested_tables()) {
    Pages pages(*t, KvType::kBF16, head_dim, 32, 32);
    std::vector<std::uint16_t> page(pages.memory[0].size() / 2);
    std::memcpy(page.data(), pages.memory[0].data(), pages.memory[0].size());
    const auto at = [&](int i) {
      return std::bit_cast<float>(std::uint32_t{page[static_cast<std::size_t>(i)]} << 16);
    };
    for (int key = 0; key < 32; ++key)
      for (int d = 0; d < head_dim; ++d) {
        const auto from = static_cast<std::size_t>(key * head_dim + d);
        EXPECT_EQ(at((d / 2 * 32 + key) * 2 + d % 2), pages.keys[from]);
        EXPECT_EQ(at(head_dim * 32 + (key / 2 * width + d) * 2 + key % 2), pages.values[from]);
      }
  }
}

// (A row beside it that sees fewer keys multiplies the value by zero, and so gets the NaN too: rows
// that go together are of one sequence.)
TEST(AttendKernels, NanReachesWhoSeesIt) {
  for (const KvType type : kTypes)
    for (const KernelTable* t : tested_tables())
      for (int head_dim : {8, 64})
        for (int rows : {1, 16}) {
          Pages pages(*t, type, head_dim, 40, 32);
          const auto dims = static_cast<std::size_t>(head_dim);
          const std::vector<float> nan(dims, std::numeric_limits<float>::quiet_NaN()),
              one(dims, 1.0f);
          const auto q = queries(type, rows, head_dim);
          for (bool in_key : {true, false}) {
            cache_of(*t, type).store({.keys = in_key ? nan.data() : one.data(),
                                      .values = in_key ? one.data() : nan.data(),
                                      .stride = head_dim,
                                      .first_slot = 5,
                                      .num_tokens = 1,
                                      .head_dim = head_dim},
                                     pages.page(1));
            for (int seen : {38, 36, 32})
              for (const float y :
                   attend(*t, pages, q, std::vector<int>(static_cast<std::size_t>(rows), seen))
                       .value)
                ASSERT_EQ(std::isnan(y), seen == 38) << t->name << ", " << seen << " keys";
          }
        }
}

TEST(AttendKernels, FoldJoinsTwoSplits) {
  const int head_dim = 20, width = padded_head_dim(head_dim), rows = 3;
  const auto a = random_values(rows * width, 12), b = random_values(rows * width, 13);
  for (const KernelTable* t : tested_tables()) {
    std::vector<float> value = a, max = {1, -2, 3}, sum = {2, 3, 4}, part = b,
                       part_max = {2, -5, 0}, part_sum = {1, 7, 0};
    t->attend.fold({value.data(), max.data(), sum.data()},
                   {part.data(), part_max.data(), part_sum.data()}, rows, head_dim);
    for (int i = 0; i < width; ++i) {
      const auto at = [&](int row) { return static_cast<std::size_t>(row * width + i); };
      EXPECT_EQ(value[at(0)], std::fma(a[at(0)], 0.5f, b[at(0)]));
      EXPECT_EQ(value[at(1)], std::fma(b[at(1)], 0.125f, a[at(1)]));
      EXPECT_EQ(value[at(2)], a[at(2)]) << "a row whose part saw no key stays";
    }
    EXPECT_EQ(max, (std::vector<float>{2, -2, 3}));
    EXPECT_EQ(sum, (std::vector<float>{2 * 0.5f + 1, 3 + 7 * 0.125f, 4}));
  }
}

}  // namespace
}  // namespace pronk
