// `pronk convert IN OUT`: a model from any format that is read to GGUF or a Hugging Face folder.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pronk/result.h"
#include "tensor/dtype.h"

namespace pronk {

struct ConvertOptions {
  // Of the matrices. Empty: the type they have, where the output can hold it; else F32, which holds
  // every value exactly.
  std::optional<DType> type = {};
  std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)> progress = {};
};

struct ConvertReport {
  std::int64_t num_values = 0;
  std::int64_t num_rounded = 0;    // values that the new type could not hold exactly
  double largest_error = 0;        // |new - old| of those
  std::string largest_error_in;    // the tensor
  std::int64_t bytes = 0;          // of the weights written
  std::vector<std::string> notes;  // the reader's, and what this conversion did to whom
};

// OUT ending in ".gguf" becomes a GGUF file, anything else a folder. Nothing half-written is left.
// Errors: those of read_model; kInvalidArgument (OUT exists); kUnsupported (what the output cannot
// say); kFailed (a value too large for the type asked for).
Result<ConvertReport> convert(const std::filesystem::path& in, const std::filesystem::path& out,
                              const ConvertOptions& options = {});

}  // namespace pronk
