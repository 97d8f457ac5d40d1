// The operations of ops.h on the CPU, over the kernels of one instruction set and the threads of
// one pool.
//
// A result's bits depend on its own row, on whether it is a prompt's, and on what that row attends
// to; not on threads, on the rows beside it, or on how a sequence was cut into steps.
#pragma once
#include <array>
#include <span>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"
#include "ops/ops.h"
#include "ops/step_memory.h"

namespace pronk {

// Owned by a Runner; one thread calls it, the pool works along. Shapes are checked.
class CpuOps {
 public:
  // The arena is as large as PlanOps found for the largest step.
  CpuOps(const kernels::KernelTable& table, ThreadPool& pool, Arena& arena,
         kernels::SecondPlane rule)
      : table_(table), pool_(pool), memory_(arena, pool.num_threads()), rule_(rule) {}

  // Before each step: `num_tokens` rows, heads of `head_dim`; num_prompt_rows as Batch says.
  void begin_step(int num_tokens, int head_dim, int num_prompt_rows = 0);

  Tensor embed(const Linear& w, std::span<const TokenId> tokens);
  Tensor linear(Tensor x, const Linear& w);
  Tensor rms_norm(Tensor x, const NormWeight& w, float eps);
  Tensor rope(Tensor x, std::span<const int> positions, const Rotation& rotation);
  Tensor attend(Tensor q, Tensor k, Tensor v, const Batch& batch, KvLayer kv);
  Tensor swiglu(Tensor gate, Tensor up);
  Tensor add(Tensor x, Tensor y);
  Tensor select_rows(Tensor x, std::span<const int> rows);
  StepMemory::Layer enter_layer(int) { return StepMemory::Layer(memory_); }

  std::array<Tensor, 3> linears(Tensor x, const Linear& a, const Linear& b, const Linear& c);
  Tensor linear_add(Tensor x, const Linear& w, Tensor y);
  Tensor linear_swiglu(Tensor x, const Linear& gate, const Linear& up);
  Tensor rope_attend(Tensor q, Tensor k, Tensor v, const Rotation& rotation, const Batch& batch,
                     KvLayer kv);

 private:
  // Of this step's positions, [T, K]: K/2 cosines, K/2 sines.
  Tensor angles(std::span<const int> positions, const Rotation& rotation);
  Tensor attend_turned(Tensor q, Tensor k, Tensor v, Tensor angles, const Batch& batch, KvLayer kv);
  const StepMemory::Prepared& prepare(Tensor x, const Linear& w);

  const kernels::KernelTable& table_;
  ThreadPool& pool_;
  StepMemory memory_;
  kernels::SecondPlane rule_;
  int num_prompt_rows_ = 0;    // of the rows at hand, the first
  bool angles_known_ = false;  // of this step's positions
};
static_assert(Ops<CpuOps>);

}  // namespace pronk
