// Tiny models of Llama's shape rules with known weights, and their bytes in every file format, made
// by code of the tests' own: what the readers are compared with.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "formats/llama_config.h"
#include "formats/tensor_names.h"

namespace pronk::testing {

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<float> values;  // row by row
  float at(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
};

struct SyntheticModel {
  LlamaConfig config;
  std::map<std::string, Matrix> tensors;  // by Hugging Face name, rows in its order
};

struct Shape {
  int layers = 2, model_dim = 16, ffn_dim = 32, heads = 4, kv_heads = 2, vocab = 48;
};

// Multiples of 1/8 up to 15/8: F32, F16, BF16 and FP8 hold them all exactly.
inline SyntheticModel make_synthetic(const Shape& shape, bool tied = false) {
  SyntheticModel model;
  LlamaConfig& c = model.config;
  c.num_layers = shape.layers, c.model_dim = shape.model_dim, c.ffn_dim = shape.ffn_dim;
  c.num_heads = shape.heads, c.num_kv_heads = shape.kv_heads;
  c.head_dim = shape.model_dim / shape.heads, c.vocab_size = shape.vocab;
  c.max_context = 131072, c.norm_eps = 1e-5, c.tied_output = tied;
  c.rope.theta = 500000;
  c.rope.scaling = {.kind = RopeScaling::Kind::kLlama3, .factor = 8};
  std::uint64_t state = 1;
  for (const TensorShape& t : llama_tensors(c)) {
    Matrix m{t.rows, t.columns, {}};
    for (std::int64_t i = 0; i < t.rows * t.columns; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      m.values.push_back((static_cast<float>(state >> 33 & 31) - 15.5f < 0 ? -1.0f : 1.0f) *
                         static_cast<float>(state >> 40 & 15) / 8.0f);
    }
    model.tensors[t.name] = std::move(m);
  }
  return model;
}

// Meta's and GGUF's row order: pairs beside each other, where Hugging Face has halves.
inline Matrix interleave(const Matrix& m, int heads) {
  Matrix out = m;
  const std::int64_t head_dim = m.rows / heads;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < head_dim; ++i) {
      const std::int64_t from = h * head_dim + i / 2 + (i % 2) * head_dim / 2;
      for (std::int64_t c = 0; c < m.columns; ++c)
        out.values[static_cast<std::size_t>((h * head_dim + i) * m.columns + c)] = m.at(from, c);
    }
  return out;
}

inline Matrix part(const Matrix& m, std::int64_t row, std::int64_t rows, std::int64_t column,
                   std::int64_t columns) {
  Matrix out{rows, columns, {}};
  for (std::int64_t r = row; r < row + rows; ++r)
    for (std::int64_t c = column; c < column + columns; ++c) out.values.push_back(m.at(r, c));
  return out;
}

template <class T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A folder of its own for each test, removed afterwards.
class TempFolder {
 public:
  explicit TempFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("pronk_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace pronk::testing
