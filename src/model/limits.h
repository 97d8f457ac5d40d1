// What steps take at least on this machine: what speeds are compared with.
#pragma once
#include <cstdint>
#include <string_view>

#include "kernels/calibrate.h"
#include "ops/plan_ops.h"
#include "pronk/result.h"

namespace pronk {

// Of the kernels in use, num_threads threads busy for about a second. step_bytes: what a step
// reads, which decides how much of it caches may hold; as much memory is taken, 1 GiB at most.
// Errors: kResourceExhausted.
Result<kernels::Peaks> measure_machine(int num_threads, std::int64_t step_bytes);

// The bytes of a step through the memory or its operations through the cores, whichever takes
// longer.
struct Bound {
  enum class By { kMemory, kCompute };
  double seconds = 0;
  By by = By::kMemory;
};
Bound bound_of(const StepCost& cost, const kernels::Peaks& peaks);

// What most of a step's operations multiply.
kernels::ActivationKind main_kind(const StepCost& cost);

}  // namespace pronk
