#include "formats/tensor_names.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

#include "pronk/result.h"

namespace pronk {
namespace {

struct Names {
  std::string_view hugging_face, gguf, meta;
};

constexpr Names kOutside[] = {
    {"model.embed_tokens.weight", "token_embd.weight", "tok_embeddings.weight"},
    {"model.norm.weight", "output_norm.weight", "norm.weight"},
    {"lm_head.weight", "output.weight", "output.weight"},
};

// Behind "model.layers.N.", "blk.N." and "layers.N.".
constexpr Names kInLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight", "attention_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight", "attention.wq.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight", "attention.wk.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight", "attention.wv.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight", "attention.wo.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight", "feed_forward.w1.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight", "feed_forward.w3.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight", "feed_forward.w2.weight"},
};

constexpr Names kLayerPrefix = {"model.layers.", "blk.", "layers."};

using Column = std::string_view Names::*;

// "blk.3.attn_q.weight" behind "blk." is a number without leading zeros, a dot, and a known name.
std::optional<std::string> translate(std::string_view name, Column from, Column to) {
  for (const Names& names : kOutside)
    if (name == names.*from) return std::string(names.*to);
  if (!name.starts_with(kLayerPrefix.*from)) return std::nullopt;
  name.remove_prefix((kLayerPrefix.*from).size());
  int layer = -1;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const std::string number(name.data(), end);
  if (failure != std::errc() || layer < 0 || number != std::to_string(layer)) return std::nullopt;
  name.remove_prefix(number.size());
  for (const Names& names : kInLayer)
    if (name.size() == (names.*from).size() + 1 && name[0] == '.' && name.ends_with(names.*from))
      return fmt::format("{}{}.{}", kLayerPrefix.*to, layer, names.*to);
  return std::nullopt;
}

}  // namespace

std::vector<TensorShape> llama_tensors(const LlamaConfig& c) {
  const std::int64_t q_rows = std::int64_t{c.num_heads} * c.head_dim;
  const std::int64_t kv_rows = std::int64_t{c.num_kv_heads} * c.head_dim;
  std::vector<TensorShape> all;
  all.push_back({"model.embed_tokens.weight", c.vocab_size, c.model_dim});
  for (int i = 0; i < c.num_layers; ++i) {
    const auto add = [&](std::string_view name, std::int64_t rows, std::int64_t columns,
                         int rotated_heads = 0) {
      all.push_back({fmt::format("model.layers.{}.{}", i, name), rows, columns, rotated_heads});
    };
    add("input_layernorm.weight", 1, c.model_dim);
    add("self_attn.q_proj.weight", q_rows, c.model_dim, c.num_heads);
    add("self_attn.k_proj.weight", kv_rows, c.model_dim, c.num_kv_heads);
    add("self_attn.v_proj.weight", kv_rows, c.model_dim);
    add("self_attn.o_proj.weight", c.model_dim, q_rows);
    add("post_attention_layernorm.weight", 1, c.model_dim);
    add("mlp.gate_proj.weight", c.ffn_dim, c.model_dim);
    add("mlp.up_proj.weight", c.ffn_dim, c.model_dim);
    add("mlp.down_proj.weight", c.model_dim, c.ffn_dim);
  }
  all.push_back({"model.norm.weight", 1, c.model_dim});
  if (!c.tied_output) all.push_back({"lm_head.weight", c.vocab_size, c.model_dim});
  return all;
}

std::optional<std::string> name_from_gguf(std::string_view name) {
  return translate(name, &Names::gguf, &Names::hugging_face);
}

std::optional<std::string> name_from_meta(std::string_view name) {
  return translate(name, &Names::meta, &Names::hugging_face);
}

std::string name_to_gguf(std::string_view name) {
  const auto translated = translate(name, &Names::hugging_face, &Names::gguf);
  PRONK_CHECK(translated.has_value(), "not the name of a Llama tensor");
  return *translated;
}

}  // namespace pronk
