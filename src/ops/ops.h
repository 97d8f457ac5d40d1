// The vocabulary of the forward pass, listed once, so that a backend that lacks an operation gets
// one clear message.
//
//   embed         rows of the embedding                        [T, D]
//   linear        x Wᵀ                                          [T, rows of W]
//   rms_norm      x / sqrt(mean(x²) + eps) ⊙ w                  [T, D]
//   rope          pairs (i, i + K/2) of each head turned by position · frequency i; in place, where
//                 nothing else reads x
//   attend        softmax(q kᵀ / √K + causal mask) v over a sequence's cache, after its
//                 new keys and values are stored there
//   swiglu        silu(gate) ⊙ up; in place of gate
//   add           x + y
//   select_rows   the rows that are asked for
//   enter_layer   an object that lives as long as the layer: names its values, gives its scratch
//                 back
//
// And four that are fused of them, the same bits in fewer rounds of the threads:
//
//   linears       x Aᵀ, x Bᵀ, x Cᵀ
//   linear_add    x Wᵀ + y
//   linear_swiglu silu(x W_gateᵀ) ⊙ x W_upᵀ
//   rope_attend   attend, q and k turned by rope first
#pragma once
#include <array>
#include <concepts>
#include <span>

#include "ops/batch.h"
#include "ops/kv_cache.h"
#include "ops/linear.h"
#include "ops/rotation.h"
#include "ops/tensor.h"

namespace pronk {

template <class O>
concept Ops = requires(O& op, Tensor x, const Linear& w, const NormWeight& n, const Rotation& r,
                       const Batch& b, KvLayer kv, std::span<const int> ints,
                       std::span<const TokenId> tokens, float eps) {
  { op.embed(w, tokens) } -> std::same_as<Tensor>;
  { op.linear(x, w) } -> std::same_as<Tensor>;
  { op.rms_norm(x, n, eps) } -> std::same_as<Tensor>;
  { op.rope(x, ints, r) } -> std::same_as<Tensor>;
  { op.attend(x, x, x, b, kv) } -> std::same_as<Tensor>;
  { op.swiglu(x, x) } -> std::same_as<Tensor>;
  { op.add(x, x) } -> std::same_as<Tensor>;
  { op.select_rows(x, ints) } -> std::same_as<Tensor>;
  { op.linears(x, w, w, w) } -> std::same_as<std::array<Tensor, 3>>;
  { op.linear_add(x, w, x) } -> std::same_as<Tensor>;
  { op.linear_swiglu(x, w, w) } -> std::same_as<Tensor>;
  { op.rope_attend(x, x, x, r, b, kv) } -> std::same_as<Tensor>;
  op.enter_layer(0);
};

}  // namespace pronk
