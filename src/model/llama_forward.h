// The Llama 3.1 decoder, written once.  "The Llama 3 Herd of Models" (2024), section 3.2.
//
// What an operation means is up to `Ops` (ops/ops.h):
//   CpuOps            compute it now                               inference
//   PlanOps           only add up shapes, bytes and FLOPs          memory planning, `pronk plan`
//   TraceOps<Inner>   compute it, and show every value by name     goldens, debugging
//
// Shapes are [rows, columns].  T tokens in the batch, D model_dim, H query heads, G kv heads, K
// head_dim, F ffn_dim, V vocab. Tensor is a small view; its memory is the step's arena.
#pragma once
#include "model/llama_weights.h"
#include "ops/ops.h"

namespace pronk {

// softmax(q kᵀ / √K + causal mask) v, where H/G query heads share each kv head.
template <Ops O>
Tensor attention(O& op, const AttentionWeights& w, Tensor x, const Batch& batch, KvLayer kv) {
  const auto [q, k, v] = op.linears(x, w.q, w.k, w.v);  // [T, H·K], [T, G·K], [T, G·K]
  return op.rope_attend(q, k, v, *w.rotation, batch, kv);
}

// h   = x + W_o Attention(RMSNorm(x))
// out = h + W_down SwiGLU(RMSNorm(h)), where SwiGLU(x) = silu(W_gate x) ⊙ W_up x
template <Ops O>
Tensor block(O& op, const LlamaConfig& c, const LayerWeights& w, Tensor x, const Batch& batch,
             KvLayer kv) {
  const float eps = static_cast<float>(c.norm_eps);
  Tensor n1 = op.rms_norm(x, w.attention_norm, eps);
  Tensor h = op.linear_add(attention(op, w.attention, n1, batch, kv), w.attention.o, x);
  Tensor n2 = op.rms_norm(h, w.ffn_norm, eps);
  return op.linear_add(op.linear_swiglu(n2, w.ffn.gate, w.ffn.up), w.ffn.down, h);
}

// Logits [rows, V] for the rows the batch asks for: the last one of each sequence when generating,
// all of them when scoring.
template <Ops O>
Tensor forward(O& op, const LlamaConfig& c, const LlamaWeights& w, const Batch& batch,
               const KvCache& kv) {
  Tensor x = op.embed(w.embedding, batch.tokens);  // [T, D]
  for (int i = 0; i < c.num_layers; ++i) {
    auto layer = op.enter_layer(i);  // names the values, and gives the layer's scratch back
    x = block(op, c, w.layers[static_cast<std::size_t>(i)], x, batch, kv[i]);
  }
  x = op.rms_norm(op.select_rows(x, batch.logit_rows), w.final_norm,
                  static_cast<float>(c.norm_eps));
  return op.linear(x, w.output);
}

}  // namespace pronk
