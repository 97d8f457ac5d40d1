#include "formats/model_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernels/pack.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"

namespace pronk {

std::int64_t TensorSource::stored_row(std::int64_t row) const {
  if (interleaved_heads == 0) return row;
  const std::int64_t head_dim = rows / interleaved_heads, half = head_dim / 2;
  const std::int64_t i = row % head_dim;
  return row - i + (i < half ? 2 * i : 2 * (i - half) + 1);
}

const std::byte* TensorSource::raw_row(std::int64_t row) const {
  const std::int64_t stored = stored_row(row);
  for (const TensorPiece& piece : pieces)
    if (stored >= piece.row_begin && stored < piece.row_begin + piece.num_rows &&
        piece.num_columns == columns && !piece.scales)
      return piece.data + (stored - piece.row_begin) * piece.row_stride;
  return nullptr;
}

namespace {

std::int64_t scale_width(const TensorPiece& piece) {
  return piece.scale_columns > 0 ? piece.scale_columns : piece.num_columns;
}

// Of the row's blocks of scale_width() columns.
const float* scales_of_row(const TensorPiece& piece, std::int64_t row) {
  const std::int64_t width = scale_width(piece);
  const std::int64_t blocks_per_row = (piece.num_columns + width - 1) / width;
  const std::int64_t block_row = piece.scale_rows > 0 ? row / piece.scale_rows : 0;
  return piece.scales + block_row * blocks_per_row;
}

// value = stored * scale.
void apply_scales(const TensorPiece& piece, std::int64_t row, float* values) {
  const std::int64_t width = scale_width(piece);
  const float* scales = scales_of_row(piece, row);
  for (std::int64_t j = 0; j < piece.num_columns; ++j) values[j] *= scales[j / width];
}

}  // namespace

bool TensorSource::has_scales() const {
  return std::any_of(pieces.begin(), pieces.end(),
                     [](const TensorPiece& p) { return p.scales != nullptr; });
}

bool TensorSource::copy_row(std::int64_t row, std::byte* out) const {
  if (panels) {
    const int n = static_cast<int>(columns), r = static_cast<int>(row % kernels::kPanelRows);
    kernels::unpack_row(dtype, panels + row / kernels::kPanelRows * kernels::panel_bytes(dtype, n),
                        r, n, out);
    return true;
  }
  const std::int64_t stored = stored_row(row);
  for (const TensorPiece& piece : pieces) {
    const std::int64_t r = stored - piece.row_begin;
    if (r < 0 || r >= piece.num_rows) continue;
    if (piece.scales) return false;
    std::memcpy(out + row_bytes(dtype, piece.column_begin), piece.data + r * piece.row_stride,
                static_cast<std::size_t>(row_bytes(dtype, piece.num_columns)));
  }
  return true;
}

bool TensorSource::fits_f8_scaled() const {
  constexpr std::int64_t kValues = sizeof blocks::F8Scaled{}.values;
  return dtype == DType::kF8E4M3 && !panels &&
         std::all_of(pieces.begin(), pieces.end(), [](const TensorPiece& p) {
           const bool is_cut_well = p.column_begin % kValues == 0 && p.num_columns % kValues == 0;
           return is_cut_well && (!p.scales || p.scale_columns % kValues == 0);
         });
}

void TensorSource::copy_f8_scaled(std::int64_t row, const FindBytes& find, std::byte* out) const {
  PRONK_CHECK(fits_f8_scaled(), "only such tensors have such rows");
  const std::int64_t stored = stored_row(row);
  for (const TensorPiece& piece : pieces) {
    const std::int64_t r = stored - piece.row_begin;
    if (r < 0 || r >= piece.num_rows) continue;
    const std::byte* values = find(piece.data + r * piece.row_stride);
    const float* scales = piece.scales ? scales_of_row(piece, r) : nullptr;
    std::byte* to = out + row_bytes(DType::kF8Scaled, piece.column_begin);
    blocks::F8Scaled block;
    for (std::int64_t j = 0; j < piece.num_columns; j += std::ssize(block.values)) {
      block.scale = scales ? scales[j / scale_width(piece)] : 1;
      std::memcpy(block.values, values + j, sizeof block.values);
      std::memcpy(to, &block, sizeof block);
      to += sizeof block;
    }
  }
}

void TensorSource::read_row(std::int64_t row, float* out) const {
  if (panels) {
    thread_local std::vector<std::byte> stored;
    stored.resize(static_cast<std::size_t>(row_bytes(dtype, columns)));
    copy_row(row, stored.data());
    return dequantize_row(dtype, stored.data(), columns, out);
  }
  const std::int64_t stored = stored_row(row);
  for (const TensorPiece& piece : pieces) {
    const std::int64_t r = stored - piece.row_begin;
    if (r < 0 || r >= piece.num_rows) continue;
    float* values = out + piece.column_begin;
    dequantize_row(dtype, piece.data + r * piece.row_stride, piece.num_columns, values);
    if (piece.scales) apply_scales(piece, r, values);
  }
}

Result<TokenType> TokenizerSource::type_of(std::size_t i) const {
  if (token_types.empty() || token_types[i] == 0) return TokenType::kNormal;
  const std::int32_t type = token_types[i];
  if (type >= 1 && type <= 6) return static_cast<TokenType>(type);
  return error(
      Code::kCorruptData,
      fmt::format("tokenizer.ggml.token_type: token {} has type {}, known are 1 to 6", i, type));
}

std::int64_t ModelSource::weight_bytes() const {
  std::int64_t sum = 0;
  for (const auto& [name, tensor] : tensors) sum += tensor.size_bytes();
  return sum;
}

Status ModelSource::check_intact() const {
  for (const auto& file : files)
    if (!file->still_intact())
      return error(Code::kCorruptData,
                   fmt::format("'{}' was changed while it was in use; load the model again",
                               file->path().string()));
  return Ok{};
}

}  // namespace pronk
