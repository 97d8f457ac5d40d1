// Which tensors a Llama model has, and what GGUF and Meta call them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/llama_config.h"

namespace pronk {

struct TensorShape {
  std::string name;                    // Hugging Face's
  std::int64_t rows = 1, columns = 0;  // a vector has one row
  int rotated_heads = 0;               // q_proj and k_proj: how many heads RoPE turns in its rows
};

// Every tensor that the configuration calls for, in the order of the forward pass.
std::vector<TensorShape> llama_tensors(const LlamaConfig& config);

// "blk.3.attn_q.weight" or "layers.3.attention.wq.weight" to
// "model.layers.3.self_attn.q_proj.weight"; nothing for a name that Llama models do not have.
std::optional<std::string> name_from_gguf(std::string_view name);
std::optional<std::string> name_from_meta(std::string_view name);
// The way back, for names that llama_tensors() gives.
std::string name_to_gguf(std::string_view name);

}  // namespace pronk
