// The operations of ops.h through another Ops, showing every value by name: for goldens and
// debugging.
//
//   model.embed_tokens
//   model.layers.3.input_layernorm          each linear and norm: the name of its weights
//   model.layers.3.self_attn.q_proj.rope    rope: the value it turned
//   model.layers.3.self_attn.attend
//   model.layers.3.mlp.swiglu
//   model.layers.3.add_0, .add_1            the residual stream after attention, and after the
//   feed-forward layer select_rows, model.norm, lm_head
//
// Fused operations are computed part after part, so that every part's value is seen.
#pragma once
#include <fmt/format.h>

#include <array>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ops/ops.h"

namespace pronk {

template <Ops Inner>
class TraceOps {
 public:
  using Callback = std::function<void(std::string_view name,
                                      Tensor value)>;  // the value lives until the next operation
  TraceOps(Inner& inner, Callback callback) : inner_(inner), callback_(std::move(callback)) {}

  Tensor embed(const Linear& w, std::span<const TokenId> tokens) {
    return show(w.name, inner_.embed(w, tokens));
  }
  Tensor linear(Tensor x, const Linear& w) { return show(w.name, inner_.linear(x, w)); }
  Tensor rms_norm(Tensor x, const NormWeight& w, float eps) {
    return show(w.name, inner_.rms_norm(x, w, eps));
  }
  Tensor rope(Tensor x, std::span<const int> positions, const Rotation& r) {
    return show(names_[x.data] + ".rope", inner_.rope(x, positions, r));
  }
  Tensor attend(Tensor q, Tensor k, Tensor v, const Batch& batch, KvLayer kv) {
    return show(layer_ + "self_attn.attend", inner_.attend(q, k, v, batch, kv));
  }
  Tensor swiglu(Tensor gate, Tensor up) {
    return show(layer_ + "mlp.swiglu", inner_.swiglu(gate, up));
  }
  Tensor add(Tensor x, Tensor y) {
    return show(fmt::format("{}add_{}", layer_, num_added_++), inner_.add(x, y));
  }
  Tensor select_rows(Tensor x, std::span<const int> rows) {
    return show("select_rows", inner_.select_rows(x, rows));
  }
  std::array<Tensor, 3> linears(Tensor x, const Linear& a, const Linear& b, const Linear& c) {
    const Tensor y = linear(x, a), z = linear(x, b);
    return {y, z, linear(x, c)};
  }
  Tensor linear_add(Tensor x, const Linear& w, Tensor y) { return add(y, linear(x, w)); }
  Tensor linear_swiglu(Tensor x, const Linear& gate, const Linear& up) {
    const Tensor g = linear(x, gate);
    return swiglu(g, linear(x, up));
  }
  Tensor rope_attend(Tensor q, Tensor k, Tensor v, const Rotation& rotation, const Batch& batch,
                     KvLayer kv) {
    q = rope(q, batch.positions, rotation);
    return attend(q, rope(k, batch.positions, rotation), v, batch, kv);
  }
  auto enter_layer(int i) {
    layer_ = fmt::format("model.layers.{}.", i);
    num_added_ = 0;
    return inner_.enter_layer(i);
  }

 private:
  Tensor show(std::string name, Tensor value) {
    callback_(name, value);
    names_[value.data] = std::move(name);
    return value;
  }

  Inner& inner_;
  Callback callback_;
  std::string layer_;
  std::map<const float*, std::string> names_;  // of what lies there now
  int num_added_ = 0;
};

}  // namespace pronk
