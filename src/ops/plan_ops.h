// The operations of ops.h, only counted: shapes, bytes of memory, FLOPs, bytes read. Weights need
// no values yet.
#pragma once
#include <cstdint>
#include <span>

#include "ops/ops.h"
#include "ops/step_memory.h"

namespace pronk {

struct StepCost {
  std::int64_t flops = 0;         // a multiply and an add are two
  std::int64_t weight_bytes = 0;  // read from the weights, once a step
  std::int64_t kv_bytes = 0;      // read from the cache
};

// One step. Takes from its own counting arena through the same StepMemory as CpuOps does.
class PlanOps {
 public:
  PlanOps(kernels::LinearKernels const& kernels, int num_threads)
      : kernels_(kernels), arena_(Arena::counting()), memory_(arena_, num_threads) {}

  void begin_step(int num_tokens, int head_dim) { memory_.begin(num_tokens, head_dim); }
  std::int64_t arena_bytes() const { return arena_.most_used(); }
  const StepCost& cost() const { return cost_; }

  Tensor embed(const Linear& w, std::span<const TokenId> tokens);
  Tensor linear(Tensor x, const Linear& w);
  Tensor rms_norm(Tensor x, const NormWeight&, float) { return memory_.take(x.rows, x.columns); }
  Tensor rope(Tensor x, std::span<const int>, const Rotation&) { return x; }
  Tensor attend(Tensor q, Tensor k, Tensor v, const Batch& batch, KvLayer kv);
  Tensor swiglu(Tensor gate, Tensor) { return gate; }
  Tensor add(Tensor, Tensor) { return memory_.take_turn(); }
  Tensor select_rows(Tensor x, std::span<const int> rows) {
    return memory_.take(static_cast<int>(rows.size()), x.columns);
  }
  StepMemory::Layer enter_layer(int) { return StepMemory::Layer(memory_); }

 private:
  const kernels::LinearKernels& kernels_;
  Arena arena_;
  StepMemory memory_;
  StepCost cost_;
};
static_assert(Ops<PlanOps>);

}  // namespace pronk
