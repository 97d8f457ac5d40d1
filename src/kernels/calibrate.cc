#include "kernels/calibrate.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <vector>

namespace pronk::kernels {
namespace {

constexpr double kOpsSeconds = 0.15, kReadSeconds = 0.5;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of several samples: what interrupts a sample only makes it smaller. `sample(thread)`
// does a little work and returns its amount.
double best_rate(int num_threads, const OnAllThreads& on_all_threads, double seconds,
                 const std::function<double(int thread)>& sample) {
  constexpr int kSamples = 5;
  double best = 0;
  for (int i = 0; i < kSamples; ++i) {
    std::vector<double> rates(static_cast<std::size_t>(num_threads));
    on_all_threads([&](int thread) {
      // Rates count the time that this thread ran, waits for memory included: while a neighbour has
      // the core, nothing is measured. The end is by the clock on the wall.
      const double ran_before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
      const double end = seconds_of(CLOCK_MONOTONIC) + seconds / kSamples;
      double amount = 0;
      do {
        amount += sample(thread);
      } while (seconds_of(CLOCK_MONOTONIC) < end);
      const double elapsed = seconds_of(CLOCK_THREAD_CPUTIME_ID) - ran_before;
      rates[static_cast<std::size_t>(thread)] = amount / elapsed;
    });
    best = std::max(best, std::accumulate(rates.begin(), rates.end(), 0.0));
  }
  return best;
}

double read_rate(const LinearKernels& linear, int num_threads, const OnAllThreads& on_all_threads,
                 std::span<std::byte> memory) {
  constexpr std::int64_t kPiece = 4 << 20;
  const std::int64_t share =
      static_cast<std::int64_t>(memory.size()) / num_threads / kPiece * kPiece;
  if (share == 0) return 0;
  on_all_threads([&](int thread) {  // so that its pages are there, and not all the same zero page
    std::memset(memory.data() + thread * share, 1, static_cast<std::size_t>(share));
  });
  std::vector<std::int64_t> places(static_cast<std::size_t>(num_threads));
  std::atomic<std::int32_t> sink{0};
  return best_rate(num_threads, on_all_threads, kReadSeconds, [&](int thread) {
    std::int64_t& place = places[static_cast<std::size_t>(thread)];
    sink += linear.probe_read(memory.data() + thread * share + place, kPiece);
    place = (place + kPiece) % share;
    return static_cast<double>(kPiece);
  });
}

}  // namespace

double Peaks::ops_per_s(ActivationKind kind) const {
  switch (kind) {
    case ActivationKind::kInt8:
      return int8_ops_per_s;
    case ActivationKind::kBF16:
      return bf16_ops_per_s;
    case ActivationKind::kF32:
      return f32_ops_per_s;
  }
  return f32_ops_per_s;
}

Peaks measure_peaks(const KernelTable& table, int num_threads, const OnAllThreads& on_all_threads,
                    std::span<std::byte> memory) {
  constexpr std::int64_t kRounds = 20'000;
  const LinearKernels& linear = table.linear;
  const auto rate = [&](double (*probe)(std::int64_t)) {
    return best_rate(num_threads, on_all_threads, kOpsSeconds, [&](int) { return probe(kRounds); });
  };
  return {.read_bytes_per_s = read_rate(linear, num_threads, on_all_threads, memory),
          .int8_ops_per_s = rate(linear.probe_int8),
          .bf16_ops_per_s = rate(linear.probe_bf16),
          .f32_ops_per_s = rate(linear.probe_f32)};
}

}  // namespace pronk::kernels
