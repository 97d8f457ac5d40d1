// Llama models of random weights, made in memory: any shape, any type that can be quantized here.
#pragma once
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "formats/model_source.h"
#include "model/llama_weights.h"
#include "tensor/dequantize.h"

namespace pronk {

// Two layers, four heads that share two kv heads, widths that blocks of 32 divide.
inline LlamaConfig small_config() {
  LlamaConfig c;
  c.name = "synthetic";
  c.num_layers = 2;
  c.model_dim = 64;
  c.ffn_dim = 96;
  c.num_heads = 4;
  c.num_kv_heads = 2;
  c.head_dim = 16;
  c.vocab_size = 70;
  c.max_context = 2048;
  c.norm_eps = 1e-5;
  c.rope.theta = 10000;
  return c;
}

// Widths that blocks of 256 divide too; a last panel of 6 rows.
inline LlamaConfig wide_config() {
  LlamaConfig c = small_config();
  c.num_layers = 1;
  c.model_dim = c.ffn_dim = 256;
  c.head_dim = 64;
  return c;
}

// Normal-like values; norms near one.
inline std::vector<float> synthetic_values(const std::string& name, std::int64_t n, bool norm) {
  const std::uint64_t seed = std::hash<std::string>()(name);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) {
    double x = -2;
    for (std::uint64_t j = 0; j < 4; ++j) x += random_unit(seed, 4 * i + j);
    v[i] = static_cast<float>(norm ? 1 + 0.1 * x : 0.25 * x);
  }
  return v;
}

inline void add_tensor(ModelSource& source, const std::string& name, std::int64_t rows,
                       std::int64_t columns, DType type) {
  const std::vector<float> values = synthetic_values(name, rows * columns, rows == 1);
  const std::int64_t width = row_bytes(type, columns);
  auto bytes = std::make_unique<std::byte[]>(static_cast<std::size_t>(rows * width));
  for (std::int64_t r = 0; r < rows; ++r)
    quantize_row(type, values.data() + r * columns, columns, bytes.get() + r * width);
  TensorSource t;
  t.name = name + ".weight";
  t.dtype = type;
  t.rows = rows;
  t.columns = columns;
  t.pieces = {TensorPiece{0, rows, 0, columns, bytes.get(), width}};
  source.owned.push_back(std::move(bytes));
  source.tensors.emplace(t.name, std::move(t));
}

inline std::shared_ptr<ModelSource> synthetic_model(const LlamaConfig& config, DType type) {
  auto source = std::make_shared<ModelSource>();
  source->path = "synthetic";
  source->format = "synthetic";
  source->config = config;
  LlamaWeights shapes = LlamaWeights::shaped(config);
  shapes.for_each_tensor([&](const auto& w) {
    if constexpr (requires { w.rows; }) {
      if (w.name != "lm_head" || !config.tied_output)
        add_tensor(*source, w.name, w.rows, w.columns, type);
    } else {
      add_tensor(*source, w.name, 1, w.columns, DType::kF32);
    }
  });
  return source;
}

}  // namespace pronk
