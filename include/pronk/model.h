// A loaded model: configuration, weights, tokenizer and chat template.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "pronk/result.h"
#include "pronk/tokenizer.h"

namespace pronk {

struct LlamaConfig;   // formats/llama_config.h
struct LlamaWeights;  // model/llama_weights.h
struct ModelSource;   // formats/model_source.h

// How the forward pass computes.
enum class Precision {
  kFp32,  // weights dequantized exactly, float32 activations and cache: the reading that is
          // compared with PyTorch
  kHigh,  // two int8 planes for every activation block
  kFast,  // the default: int8 activations, a second plane where a block stands out
          // (docs/kernels.md)
};

// The numbers of the key/value cache. An fp32 reading keeps float32 instead, whatever is asked for.
enum class CacheType {
  kBF16,
  kInt8,  // rotated, a scale for each head's key and value: half the memory and the traffic
};

struct LoadOptions {
  Precision precision = Precision::kFast;
  bool check = false;   // reads every weight and refuses NaN and infinity
  int num_threads = 0;  // for loading; 0: the cores this process may use
  // Leaves weights where the files have them: the first step reads them there, the second packs
  // them on its way. The first token comes sooner, the second later.
  bool pack_on_second_use = false;
  std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)> progress;
};

// Immutable after load; engines and trainers share it; thread-safe.
class Model {
 public:
  static Result<std::shared_ptr<const Model>> load(const std::filesystem::path& path,
                                                   const LoadOptions& options = {});
  // The same from what a reader (or a test) already made.
  static Result<std::shared_ptr<const Model>> from_source(std::shared_ptr<const ModelSource> source,
                                                          const LoadOptions& options = {});
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model();

  const LlamaConfig& config() const;
  const LlamaWeights& weights() const;
  const Tokenizer& tokenizer() const;
  bool has_tokenizer() const;
  const ModelSource& source() const;  // templates, generation defaults, licence; no tokenizer
  Precision precision() const;
  std::int64_t weight_bytes() const;   // resident, once all are packed
  std::int64_t bytes_to_pack() const;  // of these, what the second step takes from memory

 private:
  Model();
  struct Impl;
  static Result<std::shared_ptr<Model>> with_tokenizer(const ModelSource& source);
  static Result<std::shared_ptr<const Model>> with_weights(
      std::shared_ptr<Model> model, std::shared_ptr<const ModelSource> source,
      const LoadOptions& options);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pronk
