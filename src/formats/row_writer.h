// Streams encoded rows into a file through one buffer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/file.h"
#include "formats/model_writer.h"

namespace pronk {

class RowWriter {
 public:
  explicit RowWriter(const WritePlan& plan) : plan_(plan), total_bytes_(plan.total_bytes()) {}

  // Rows in the order Hugging Face has them, or (interleaved) in GGUF's for `heads` rotated heads.
  Status write(const OutputTensor& output, int interleaved_heads, AtomicFile* file);

 private:
  const WritePlan& plan_;
  std::int64_t done_bytes_ = 0, total_bytes_ = 0;
  std::vector<std::byte> buffer_;
};

// kInvalidArgument when something is there already.
Status check_absent(const std::filesystem::path& path);

}  // namespace pronk
