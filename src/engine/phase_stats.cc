#include "engine/phase_stats.h"

#include <cmath>

#include "model/limits.h"

namespace pronk {

void add_step(PhaseStats& phase, const StepCost& cost, const kernels::Peaks& peaks, double share) {
  const auto part = [share](std::int64_t whole) {
    return std::llround(share * static_cast<double>(whole));
  };
  phase.operations += part(cost.flops());
  phase.bytes += part(cost.bytes());
  const Bound least = bound_of(cost, peaks);
  (least.by == Bound::By::kMemory ? phase.memory_bound_seconds : phase.compute_bound_seconds) +=
      share * least.seconds;
}

}  // namespace pronk
