#include "formats/tensor_panels.h"

#include "kernels/pack.h"
#include "tensor/dequantize.h"

namespace pronk {

void pack_panel(const TensorSource& t, DType type, std::int64_t index, PanelScratch& scratch,
                std::byte* out) {
  const std::int64_t width = row_bytes(type, t.columns);
  scratch.rows.resize(static_cast<std::size_t>(width * kernels::kPanelRows));
  scratch.values.resize(static_cast<std::size_t>(t.columns));
  kernels::PanelRows rows{};
  for (int r = 0; r < kernels::kPanelRows; ++r) {
    const std::int64_t row = index * kernels::kPanelRows + r;
    if (row >= t.rows) break;
    const std::byte*& place = rows[static_cast<std::size_t>(r)];
    if (type == t.dtype && (place = t.raw_row(row)) != nullptr) continue;
    std::byte* copy = scratch.rows.data() + r * width;
    place = copy;
    if (type == t.dtype && t.copy_row(row, copy)) continue;
    t.read_row(row, scratch.values.data());
    quantize_row(type, scratch.values.data(), t.columns, copy);
  }
  kernels::pack_panel(type, rows, static_cast<int>(t.columns), out);
}

}  // namespace pronk
