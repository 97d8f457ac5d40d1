#include "cli/calibrate.h"

#include <algorithm>
#include <map>

#include "base/thread_pool.h"
#include "kernels/isa.h"

namespace pronk::cli {

kernels::Peaks measure_machine(int num_threads) {
  ThreadPool pool(num_threads);
  const auto on_all_threads = [&](const std::function<void(int)>& body) {
    pool.run(num_threads, [&](int item, int) { body(item); });
  };
  return kernels::measure_peaks(kernels::table(), num_threads, on_all_threads);
}

kernels::ActivationKind main_activation_kind(const ModelSource& source, Precision precision) {
  if (precision == Precision::kFp32) return kernels::ActivationKind::kF32;
  std::map<DType, std::int64_t> bytes;
  for (const auto& [name, tensor] : source.tensors) bytes[tensor.dtype] += tensor.size_bytes();
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const DType type = most == bytes.end() ? DType::kF32 : most->first;
  return kernels::table().linear.activation_kind[static_cast<int>(type)];
}

Bound bound_of(const StepCost& cost, kernels::ActivationKind kind, const kernels::Peaks& peaks) {
  const double reading =
      static_cast<double>(cost.weight_bytes + cost.kv_bytes) / peaks.read_bytes_per_s;
  const double computing = static_cast<double>(cost.flops) / peaks.ops_per_s(kind);
  return reading > computing ? Bound{reading, "memory"} : Bound{computing, "compute"};
}

}  // namespace pronk::cli
