// Attention of kv heads' rows over splits of keys on one core: operations a second (a score and a
// value: 4 · head_dim for each row and key), percent of this core's measured bfloat16 peak, and
// bytes of the cache a second.
//
//   kernels_bench --benchmark_filter='attend/int8/128'
//   attend/CACHE/ROWS/KEYS         head_dim 64, all keys visible, splits one after another as for a
//   prompt
//   attend_memory/CACHE/ROWS/KEYS  the same of 128 heads, as 16 layers of 8 have them in each strip
//   of pages (ops/kv_cache.h): a token's decoding after a long text, whose keys and values no cache
//   holds
#include <benchmark/benchmark.h>

#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "kernels/calibrate.h"
#include "kernels/isa.h"
#include "on_lines.h"
#include "ops/kv_cache.h"

namespace {

using namespace pronk;
using namespace pronk::kernels;

constexpr int kHeadDim = 64;

std::vector<float> normal_values(int n, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& x : out) x = normal(rng);
  return out;
}

double bf16_peak() {
  static std::vector<std::byte> memory(std::size_t{16} << 20);
  static const Peaks measured = measure_peaks(
      table(), 1, [](const std::function<void(int)>& body) { body(0); }, memory);
  return measured.bf16_ops_per_s;
}

// Queries and scratch of one kv head, and pages of `num_heads`, which all hold the same.
struct Heads {
  const CacheKernels& kernels;
  int rows, keys;
  KvCache cache;
  Values<std::byte> q;
  std::vector<KvPage> pages;
  std::vector<int> visible;
  Values<float> scores, weights, values, state, part;

  Heads(KvType type, int num_rows, int num_keys, int num_heads)
      : kernels(table().attend.cache[static_cast<std::size_t>(type)]),
        rows(num_rows),
        keys(num_keys),
        cache(*KvCache::create({1, num_heads, kHeadDim, type}, num_keys / kPageKeys)),
        q(static_cast<std::size_t>(kv_query_bytes(type, kHeadDim) * num_rows)),
        visible(static_cast<std::size_t>(num_rows), kSplitKeys),
        scores(kMaxQueryRows * kSplitKeys),
        weights(scores.size()),
        values(kSplitKeys * kHeadDim / sizeof(float)),
        state(static_cast<std::size_t>(num_rows * (kHeadDim + 2))),
        part(state.size()) {
    const auto tokens = normal_values(kPageKeys * kHeadDim, 1);
    pages.resize(static_cast<std::size_t>(num_keys / kPageKeys));
    for (int head = 0; head < num_heads; ++head)
      for (int page = 0; page < cache.num_pages(); ++page)
        kernels.store({tokens.data(), tokens.data(), kHeadDim, 0, kPageKeys, kHeadDim},
                      cache[0].head(page, head));
    const auto queries = normal_values(num_rows * kHeadDim, 2);
    for (int r = 0; r < num_rows; ++r)
      kernels.take_query(queries.data() + r * kHeadDim, 0.2f, kHeadDim,
                         q.data() + r * kv_query_bytes(type, kHeadDim));
  }

  AttendState rows_of(Values<float>& memory_of) const {
    float* value = memory_of.data();
    return {value, value + rows * kHeadDim, value + rows * (kHeadDim + 1)};
  }

  void attend(int head) {
    for (int page = 0; page < cache.num_pages(); ++page)
      pages[static_cast<std::size_t>(page)] = cache[0].head(page, head);
    for (int begin = 0; begin < keys; begin += kSplitKeys) {
      const int next = begin + kSplitKeys < keys ? begin + kSplitKeys : begin;
      const AttendState out = rows_of(begin == 0 ? state : part);
      kernels.attend({q.data(), visible.data(), pages.data() + begin / kPageKeys,
                      pages.data() + next / kPageKeys, scores.data(), weights.data(), values.data(),
                      rows, kHeadDim},
                     out);
      if (begin > 0) table().attend.fold(rows_of(state), out, rows, kHeadDim);
    }
  }
};

void attend(benchmark::State& state, KvType type, int rows, int keys, int num_heads) {
  Heads heads(type, rows, keys, num_heads);
  const std::clock_t start = std::clock();
  for (auto _ : state) {
    for (int head = 0; head < num_heads; ++head) heads.attend(head);
    benchmark::ClobberMemory();
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const double passes_per_s = static_cast<double>(state.iterations()) / seconds;
  const double ops_per_s = 4.0 * kHeadDim * rows * keys * num_heads * passes_per_s;
  state.counters["GOPS"] = ops_per_s * 1e-9;
  state.counters["%peak"] = ops_per_s / bf16_peak() * 100;
  state.counters["GB/s"] = static_cast<double>(heads.cache.size_bytes()) * passes_per_s * 1e-9;
}

void add(const std::string& kind, const std::string& cache, KvType type, int rows, int keys,
         int num_heads) {
  const std::string name =
      kind + "/" + cache + "/" + std::to_string(rows) + "/" + std::to_string(keys);
  benchmark::RegisterBenchmark(name.c_str(), attend, type, rows, keys, num_heads);
}

int register_all() {
  for (const auto& [name, type] : {std::pair{"bf16", KvType::kBF16}, {"int8", KvType::kInt8}}) {
    for (const int rows : {4, 96, 128})
      for (const int keys : {4096, 32768}) add("attend", name, type, rows, keys, 1);
    for (const int rows : {3, 4}) add("attend_memory", name, type, rows, 32768, 128);
  }
  return 0;
}

const int registered = register_all();

}  // namespace
