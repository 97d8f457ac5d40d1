// What an operation of the pool costs beyond its items: pool/THREADS/ITEMS, with items that do
// nothing, one operation right after the other. As in a step, every item is seen to be done once.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/thread_pool.h"

namespace {

struct alignas(64) Count {
  std::int64_t items = 0;
};

void pool(benchmark::State& state) {
  pronk::ThreadPool threads(static_cast<int>(state.range(0)));
  const int num_items = static_cast<int>(state.range(1));
  std::vector<Count> counts(static_cast<std::size_t>(threads.num_threads()));
  const auto item = [&](int, int thread) { ++counts[static_cast<std::size_t>(thread)].items; };
  for (auto _ : state) threads.run(num_items, std::ref(item));
  std::int64_t sum = 0;
  for (const Count& count : counts) sum += count.items;
  if (sum != state.iterations() * num_items) state.SkipWithError("an item was lost or done twice");
  state.counters["by caller"] = static_cast<double>(counts[0].items) / static_cast<double>(sum);
}
BENCHMARK(pool)->ArgsProduct({{1, 2}, {2, 16, 128}})->UseRealTime();

}  // namespace
