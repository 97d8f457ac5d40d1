#include "formats/tensor_panels.h"

#include <algorithm>
#include <span>

#include "base/file.h"
#include "kernels/pack.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

// Calls f(file, bytes) for the mapped bytes of these rows.
template <class F>
void for_mapped_rows(const ModelSource& source, const TensorSource& t, std::int64_t begin,
                     std::int64_t end, const F& f) {
  for (const TensorPiece& p : t.pieces) {
    const std::int64_t first = std::clamp<std::int64_t>(begin - p.row_begin, 0, p.num_rows);
    const std::int64_t last = std::clamp<std::int64_t>(end - p.row_begin, 0, p.num_rows);
    if (first >= last) continue;
    const std::span<const std::byte> bytes(p.data + first * p.row_stride,
                                           static_cast<std::size_t>((last - first) * p.row_stride));
    for (const auto& file : source.files) {
      const std::span<const std::byte> whole = file->bytes();
      if (bytes.data() >= whole.data() &&
          bytes.data() + bytes.size() <= whole.data() + whole.size())
        f(*file, bytes);
    }
  }
}

}  // namespace

void pack_panel(const TensorSource& t, DType type, std::int64_t index, PanelScratch& scratch,
                std::byte* out) {
  const std::int64_t width = row_bytes(type, t.columns);
  kernels::PanelRows rows{};
  for (int r = 0; r < kernels::kPanelRows; ++r) {
    const std::int64_t row = index * kernels::kPanelRows + r;
    if (row >= t.rows) break;
    const std::byte*& place = rows[static_cast<std::size_t>(r)];
    if (type == t.dtype && (place = t.raw_row(row)) != nullptr) continue;
    scratch.rows.resize(static_cast<std::size_t>(width * kernels::kPanelRows));
    scratch.values.resize(static_cast<std::size_t>(t.columns));
    std::byte* copy = scratch.rows.data() + r * width;
    place = copy;
    if (type == t.dtype && t.copy_row(row, copy)) continue;
    t.read_row(row, scratch.values.data());
    quantize_row(type, scratch.values.data(), t.columns, copy);
  }
  kernels::pack_panel(type, rows, static_cast<int>(t.columns), out);
}

void pack_panels(const ModelSource& source, const TensorSource& t, DType type, std::int64_t first,
                 std::int64_t end, PanelScratch& scratch, std::byte* out) {
  for_mapped_rows(source, t, first * kernels::kPanelRows, end * kernels::kPanelRows,
                  [](const MappedFile& file, auto bytes) { file.map_pages(bytes); });
  const std::int64_t panel_bytes = kernels::panel_bytes(type, t.columns);
  for (std::int64_t p = first; p < end; ++p)
    pack_panel(t, type, p, scratch, out + (p - first) * panel_bytes);
}

void forget_rows(const ModelSource& source, const TensorSource& t, std::int64_t begin,
                 std::int64_t end) {
  for_mapped_rows(source, t, begin, end,
                  [](const MappedFile& file, auto bytes) { file.forget(bytes); });
}

}  // namespace pronk
