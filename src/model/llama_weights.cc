#include "model/llama_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pronk {
namespace {

Linear linear(std::string name, int rows, int columns) {
  Linear w;
  w.name = std::move(name);
  w.rows = rows;
  w.columns = columns;
  return w;
}

// Llama 3.1's rule (llama-models, apply_scaling): frequencies that turn often within the original
// context stay, those that turn less than low_freq_factor times are divided, and between the two
// they are blended.
double llama3_scaled(double frequency, const RopeScaling& s) {
  const double turns = s.original_context * frequency / (2 * std::numbers::pi);
  if (turns >= s.high_freq_factor) return frequency;
  if (turns <= s.low_freq_factor) return frequency / s.factor;
  const double keep = (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - keep) * frequency / s.factor + keep * frequency;
}

}  // namespace

Rotation make_rotation(const RopeConfig& rope, int head_dim) {
  Rotation r{head_dim, {}};
  for (int i = 0; i < head_dim / 2; ++i) {
    const float exponent = 2 * static_cast<float>(i) / static_cast<float>(head_dim);
    double f = 1 / static_cast<float>(std::pow(rope.theta, double{exponent}));
    if (!rope.divisors.empty())
      f /= static_cast<double>(rope.divisors[static_cast<std::size_t>(i)]);
    else if (rope.scaling.kind == RopeScaling::Kind::kLinear)
      f /= rope.scaling.factor;
    else if (rope.scaling.kind == RopeScaling::Kind::kLlama3)
      f = llama3_scaled(f, rope.scaling);
    r.frequencies.push_back(static_cast<float>(f));
  }
  return r;
}

LlamaWeights LlamaWeights::shaped(const LlamaConfig& c) {
  const auto rotation = std::make_shared<const Rotation>(make_rotation(c.rope, c.head_dim));
  const int query_dim = c.num_heads * c.head_dim, kv_dim = c.num_kv_heads * c.head_dim;
  LlamaWeights w;
  w.embedding = linear("model.embed_tokens", c.vocab_size, c.model_dim);
  for (int i = 0; i < c.num_layers; ++i) {
    const auto name = [i](const char* rest) { return fmt::format("model.layers.{}.{}", i, rest); };
    w.layers.push_back({
        .attention_norm = {name("input_layernorm"), c.model_dim, {}},
        .attention = {.q = linear(name("self_attn.q_proj"), query_dim, c.model_dim),
                      .k = linear(name("self_attn.k_proj"), kv_dim, c.model_dim),
                      .v = linear(name("self_attn.v_proj"), kv_dim, c.model_dim),
                      .o = linear(name("self_attn.o_proj"), c.model_dim, query_dim),
                      .rotation = rotation},
        .ffn_norm = {name("post_attention_layernorm"), c.model_dim, {}},
        .ffn = {.gate = linear(name("mlp.gate_proj"), c.ffn_dim, c.model_dim),
                .up = linear(name("mlp.up_proj"), c.ffn_dim, c.model_dim),
                .down = linear(name("mlp.down_proj"), c.model_dim, c.ffn_dim)},
    });
  }
  w.final_norm = {"model.norm", c.model_dim, {}};
  w.output = linear("lm_head", c.vocab_size, c.model_dim);
  return w;
}

}  // namespace pronk
