#include "formats/row_writer.h"

#include <fmt/format.h>

#include <algorithm>

namespace pronk {
namespace {

// The row of the tensor that GGUF stores as row `stored`: the inverse of TensorSource::stored_row.
std::int64_t row_of_stored(std::int64_t stored, std::int64_t rows, int interleaved_heads) {
  if (interleaved_heads == 0) return stored;
  const std::int64_t head_dim = rows / interleaved_heads, half = head_dim / 2;
  const std::int64_t i = stored % head_dim;
  return stored - i + i / 2 + (i % 2) * half;
}

}  // namespace

std::int64_t WritePlan::total_bytes() const {
  std::int64_t sum = 0;
  for (const OutputTensor& output : tensors)
    sum += output.tensor->rows * row_bytes(output.dtype, output.tensor->columns);
  return sum;
}

Status RowWriter::write(const OutputTensor& output, int interleaved_heads, AtomicFile* file) {
  constexpr std::int64_t kBufferBytes = 1 << 20;
  const std::int64_t rows = output.tensor->rows;
  const std::int64_t bytes_per_row = row_bytes(output.dtype, output.tensor->columns);
  const std::int64_t rows_at_once = std::clamp<std::int64_t>(kBufferBytes / bytes_per_row, 1, rows);
  buffer_.resize(static_cast<std::size_t>(rows_at_once * bytes_per_row));
  for (std::int64_t begin = 0; begin < rows; begin += rows_at_once) {
    const std::int64_t end = std::min(begin + rows_at_once, rows);
    for (std::int64_t stored = begin; stored < end; ++stored)
      PRONK_TRY(plan_.encode(output, row_of_stored(stored, rows, interleaved_heads),
                             buffer_.data() + (stored - begin) * bytes_per_row));
    const std::int64_t size = (end - begin) * bytes_per_row;
    PRONK_TRY(file->write(std::span(buffer_).first(static_cast<std::size_t>(size))));
    done_bytes_ += size;
    if (plan_.progress) plan_.progress(done_bytes_, total_bytes_);
  }
  return Ok{};
}

Status check_absent(const std::filesystem::path& path) {
  std::error_code failure;
  if (std::filesystem::symlink_status(path, failure).type() ==
      std::filesystem::file_type::not_found)
    return Ok{};
  return error(
      Code::kInvalidArgument,
      fmt::format("write '{}': it exists; remove it or choose another name", path.string()));
}

}  // namespace pronk
