#include "model/limits.h"

#include <algorithm>

#include "base/thread_pool.h"
#include "kernels/isa.h"
#include "ops/memory.h"

namespace pronk {

using kernels::ActivationKind;

Result<kernels::Peaks> measure_machine(int num_threads, std::int64_t step_bytes) {
  constexpr std::int64_t kLeast = 64 << 20, kMost = 1 << 30;
  const Memory memory =
      PRONK_TRY_IN("measure the machine", Memory::zeroed(std::clamp(step_bytes, kLeast, kMost)));
  ThreadPool pool(num_threads);
  const auto on_all_threads = [&](const std::function<void(int)>& body) {
    pool.run(num_threads, [&](int item, int) { body(item); });
  };
  return kernels::measure_peaks(kernels::table(), num_threads, on_all_threads,
                                {memory.data(), static_cast<std::size_t>(memory.size())});
}

Bound bound_of(const StepCost& cost, const kernels::Peaks& peaks) {
  const double reading = static_cast<double>(cost.bytes()) / peaks.read_bytes_per_s;
  double computing = 0;
  for (const auto kind : {ActivationKind::kInt8, ActivationKind::kBF16, ActivationKind::kF32})
    computing +=
        static_cast<double>(cost.flops_of[static_cast<std::size_t>(kind)]) / peaks.ops_per_s(kind);
  return reading > computing ? Bound{reading, Bound::By::kMemory}
                             : Bound{computing, Bound::By::kCompute};
}

ActivationKind main_kind(const StepCost& cost) {
  const auto most = std::max_element(cost.flops_of.begin(), cost.flops_of.end());
  return static_cast<ActivationKind>(most - cost.flops_of.begin());
}

}  // namespace pronk
