// The operations of ops.h, only counted: shapes, bytes of memory, FLOPs, bytes read. Weights need
// no values yet.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "ops/ops.h"
#include "ops/step_memory.h"

namespace pronk {

struct StepCost {
  // By what is multiplied (kernels::ActivationKind); a multiply and an add are two, of two planes
  // one counts.
  std::array<std::int64_t, 3> flops_of = {};
  std::int64_t weight_bytes = 0;  // read from the weights, once a step
  std::int64_t kv_bytes = 0;      // read from the cache

  std::int64_t flops() const { return flops_of[0] + flops_of[1] + flops_of[2]; }
  std::int64_t bytes() const { return weight_bytes + kv_bytes; }
};

// One step. Takes from its own counting arena through the same StepMemory as CpuOps does.
class PlanOps {
 public:
  PlanOps(kernels::LinearKernels const& kernels, int num_threads)
      : kernels_(kernels), arena_(Arena::counting()), memory_(arena_, num_threads) {}

  void begin_step(int num_tokens, int head_dim, int num_prompt_rows = 0) {
    num_prompt_rows_ = num_prompt_rows;
    memory_.begin(num_tokens, head_dim);
  }
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
    num_prompt_rows_ = static_cast<int>(
        std::count_if(rows.begin(), rows.end(), [&](int row) { return row < num_prompt_rows_; }));
    return memory_.take(static_cast<int>(rows.size()), x.columns);
  }
  StepMemory::Layer enter_layer(int) { return StepMemory::Layer(memory_); }

  std::array<Tensor, 3> linears(Tensor x, const Linear& a, const Linear& b, const Linear& c);
  Tensor linear_add(Tensor x, const Linear& w, Tensor y);
  Tensor linear_swiglu(Tensor x, const Linear& gate, const Linear& up);
  Tensor rope_attend(Tensor q, Tensor k, Tensor v, const Rotation&, const Batch& batch,
                     KvLayer kv) {
    return attend(q, k, v, batch, kv);
  }

 private:
  void count_product(Tensor x, const Linear& w);
  void count_flops(kernels::ActivationKind kind, std::int64_t flops) {
    cost_.flops_of[static_cast<std::size_t>(kind)] += flops;
  }

  const kernels::LinearKernels& kernels_;
  Arena arena_;
  StepMemory memory_;
  int num_prompt_rows_ = 0;  // of the rows at hand, the first
  StepCost cost_;
};
static_assert(Ops<PlanOps>);

}  // namespace pronk
