// A ModelSource becomes files: a GGUF file or a Hugging Face folder. What values the weights get in
// their new type is the caller's business (quant/convert.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "formats/model_source.h"

namespace pronk {

struct OutputTensor {
  const TensorSource* tensor = nullptr;
  DType dtype = DType::kF32;  // rows are whole numbers of its blocks
};

struct WritePlan {
  std::vector<OutputTensor> tensors;
  // Writes one row, in Hugging Face's order, as `dtype` (row_bytes of it).
  std::function<Status(const OutputTensor&, std::int64_t row, std::byte* out)> encode;
  std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)> progress;  // may be empty
  std::int64_t max_shard_bytes = 5'000'000'000;  // of one safetensors file

  std::int64_t total_bytes() const;
};

// Both make their output visible whole or not at all, and refuse a path that exists. Errors:
// kInvalidArgument, kUnsupported (a tokenizer or RoPE scaling that the format cannot say),
// kResourceExhausted (the disk is full).
Status write_gguf(const ModelSource& source, const WritePlan& plan,
                  const std::filesystem::path& path);
Status write_hf_folder(const ModelSource& source, const WritePlan& plan,
                       const std::filesystem::path& folder);

}  // namespace pronk
