// What this machine can do at most, measured in about a second: the limits that speeds are compared
// with.
#pragma once
#include <cstddef>
#include <functional>
#include <span>

#include "kernels/kernel_table.h"

namespace pronk::kernels {

// All threads together, for the time that they run; a multiply and an add are two operations.
struct Peaks {
  double read_bytes_per_s = 0;  // of the memory that was given
  double int8_ops_per_s = 0;
  double bf16_ops_per_s = 0;  // where the table has no bf16 product: f32_ops_per_s
  double f32_ops_per_s = 0;

  double ops_per_s(ActivationKind kind) const;
};

// Calls its argument once on each thread, at the same time, and returns when all are done: the
// caller's threads, as with ThreadPool::run.
using OnAllThreads = std::function<void(const std::function<void(int thread)>&)>;

// The limits of `table` on num_threads threads. `memory` (16 MiB a thread at least) is what is
// read, over and over: as large as what is read in earnest, or it stays in a cache that the other
// does not fit into. Its bytes are written first.
Peaks measure_peaks(const KernelTable& table, int num_threads, const OnAllThreads& on_all_threads,
                    std::span<std::byte> memory);

}  // namespace pronk::kernels
