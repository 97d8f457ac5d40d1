#include "ops/plan_ops.h"

namespace pronk {

using kernels::ActivationKind;

namespace {

// What keys and values of a cache are multiplied as.
ActivationKind kind_of(kernels::KvType type) {
  switch (type) {
    case kernels::KvType::kBF16:
      return ActivationKind::kBF16;
    case kernels::KvType::kInt8:
      return ActivationKind::kInt8;
    case kernels::KvType::kF32:
    case kernels::KvType::kBF16Wide:
      return ActivationKind::kF32;
  }
  return ActivationKind::kF32;
}

}  // namespace

Tensor PlanOps::embed(const Linear& w, std::span<const TokenId> tokens) {
  return memory_.take_residuals(static_cast<int>(tokens.size()), w.columns);
}

// What a product costs beside the memory of its result.
void PlanOps::count_product(Tensor x, const Linear& w) {
  const auto type = static_cast<std::size_t>(w.packed_type.value_or(DType::kF32));
  const int num_bf16_rows = kernels_.multiply_bf16[type] ? num_prompt_rows_ : 0;
  const std::int64_t flops_per_row = 2 * std::int64_t{w.rows} * w.columns;
  count_flops(ActivationKind::kBF16, num_bf16_rows * flops_per_row);
  count_flops(kernels_.activation_kind[type], (x.rows - num_bf16_rows) * flops_per_row);
  memory_.prepare(x, kernels_.activation_kind[type], kernels_.activation_max[type], num_bf16_rows);
  cost_.weight_bytes +=
      w.packed_type ? w.packed_bytes() : std::int64_t{w.rows} * row_bytes(DType::kF32, w.columns);
}

Tensor PlanOps::linear(Tensor x, const Linear& w) {
  count_product(x, w);
  const Tensor y = memory_.take(x.rows, w.rows);
  ArenaScope scope(arena_);
  memory_.take_panel_buffers({&w});
  return y;
}

std::array<Tensor, 3> PlanOps::linears(Tensor x, const Linear& a, const Linear& b,
                                       const Linear& c) {
  std::array<Tensor, 3> y;
  const std::array weights{&a, &b, &c};
  for (std::size_t i = 0; i < 3; ++i) {
    count_product(x, *weights[i]);
    y[i] = memory_.take(x.rows, weights[i]->rows);
  }
  ArenaScope scope(arena_);
  memory_.take_panel_buffers({&a, &b, &c});
  return y;
}

Tensor PlanOps::linear_add(Tensor x, const Linear& w, Tensor) {
  count_product(x, w);
  ArenaScope scope(arena_);
  memory_.take_panel_buffers({&w});
  return memory_.take_turn();
}

Tensor PlanOps::linear_swiglu(Tensor x, const Linear& gate, const Linear& up) {
  count_product(x, gate);
  const Tensor y = memory_.take(x.rows, gate.rows);
  count_product(x, up);
  memory_.take(x.rows, up.rows);
  ArenaScope scope(arena_);
  memory_.take_panel_buffers({&gate, &up});
  return y;
}

Tensor PlanOps::attend(Tensor q, Tensor, Tensor, const Batch& batch, KvLayer kv) {
  for (const BatchSequence& s : batch.sequences) {
    for (int t = 0; t < s.num_rows; ++t)
      count_flops(kind_of(kv.shape.type), 4 * (std::int64_t{s.start} + t + 1) * q.columns);
    cost_.kv_bytes += (std::int64_t{s.start} + s.num_rows) * kv.shape.head_bytes() / kKvPageTokens *
                      kv.shape.num_kv_heads;
  }
  const Tensor y = memory_.take(q.rows, q.columns);
  ArenaScope scope(arena_);
  memory_.take_attend_workspace(q.rows, q.columns / kv.shape.head_dim, kv.shape);
  return y;
}

}  // namespace pronk
