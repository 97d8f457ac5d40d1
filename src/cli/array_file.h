// Writes one float32 matrix as it is made, row by row: NumPy's .npy (format 1.0) or safetensors.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/file.h"
#include "pronk/result.h"

namespace pronk::cli {

// The file's first bytes, everything before the numbers.
std::string npy_header(std::int64_t rows, std::int64_t columns);
std::string safetensors_header(const std::string& name, std::int64_t rows, std::int64_t columns);

// Nothing is seen under the path before commit(). One thread at a time.
class ArrayFile {
 public:
  // The name's end decides: .npy or .safetensors; kInvalidArgument for another.
  static Result<ArrayFile> create(const std::filesystem::path& path, const std::string& name,
                                  std::int64_t rows, std::int64_t columns);
  Status write(std::span<const float> values) { return file_.write(std::as_bytes(values)); }
  Status commit() { return file_.commit(); }

 private:
  explicit ArrayFile(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
};

}  // namespace pronk::cli
