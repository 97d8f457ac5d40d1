#include "formats/tensor_panels.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>

#include "base/file.h"
#include "kernels/pack.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

// Calls f(file, piece, bytes) for the mapped bytes of these stored rows.
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
        f(*file, p, bytes);
    }
  }
}

// Some of a tensor's rows, copied from its files.
class StoredRows {
 public:
  // Of rows [begin, end) what raw_row() gives; or all, for copy_f8_scaled().
  StoredRows(const ModelSource& source, const TensorSource& t, bool all, std::int64_t begin,
             std::int64_t end, std::vector<std::byte>& memory) {
    std::size_t size = 0;
    const auto plan = [&](const MappedFile& file, const TensorPiece& p, auto bytes) {
      if (!all && (p.num_columns != t.columns || p.scales)) return;
      copies_.push_back({&file, bytes, size});
      size += bytes.size();
    };
    // A permutation stays within a head.
    const std::int64_t together = t.interleaved_heads > 0 ? t.rows / t.interleaved_heads : 1;
    for_mapped_rows(source, t, begin / together * together,
                    (end + together - 1) / together * together, plan);
    if (memory.size() < size) memory.resize(size);
    memory_ = memory.data();
    for (const Copy& c : copies_) c.file->copy(c.mapped, memory_ + c.place);
  }

  // Where the copy of what is mapped there is; itself, if there is none.
  const std::byte* find(const std::byte* row) const {
    for (const Copy& c : copies_) {
      const std::ptrdiff_t offset = row - c.mapped.data();
      if (offset >= 0 && offset < std::ssize(c.mapped)) return memory_ + c.place + offset;
    }
    return row;
  }

 private:
  struct Copy {
    const MappedFile* file;
    std::span<const std::byte> mapped;
    std::size_t place;
  };
  std::vector<Copy> copies_;
  std::byte* memory_ = nullptr;
};

void pack_panel(const TensorSource& t, DType type, std::int64_t index, const StoredRows* stored,
                PanelScratch& scratch, std::byte* out) {
  const std::int64_t width = row_bytes(type, t.columns);
  kernels::PanelRows rows{};
  for (int r = 0; r < kernels::kPanelRows; ++r) {
    const std::int64_t row = index * kernels::kPanelRows + r;
    if (row >= t.rows) break;
    const std::byte*& place = rows[static_cast<std::size_t>(r)];
    if (type == t.dtype && (place = t.raw_row(row)) != nullptr) {
      place = stored->find(place);
      continue;
    }
    scratch.rows.resize(static_cast<std::size_t>(width * kernels::kPanelRows));
    scratch.values.resize(static_cast<std::size_t>(t.columns));
    std::byte* copy = scratch.rows.data() + r * width;
    place = copy;
    if (type == t.dtype && t.copy_row(row, copy)) continue;
    if (type == DType::kF8Scaled) {
      t.copy_f8_scaled(
          row, [&](const std::byte* data) { return stored->find(data); }, copy);
      continue;
    }
    t.read_row(row, scratch.values.data());
    quantize_row(type, scratch.values.data(), t.columns, copy);
  }
  kernels::pack_panel(type, rows, static_cast<int>(t.columns), out);
}

}  // namespace

DType panel_type(const TensorSource& t) {
  if (t.dtype != DType::kF8E4M3) return t.dtype;
  return t.fits_f8_scaled() ? DType::kF8Scaled : DType::kBF16;
}

void pack_panels(const ModelSource& source, const TensorSource& t, DType type, std::int64_t first,
                 std::int64_t end, PanelScratch& scratch, std::byte* out) {
  constexpr std::int64_t kMostBytes = 256 << 10;  // copied at once: a core's cache keeps them
  const std::int64_t panel_bytes = kernels::panel_bytes(type, t.columns);
  const std::int64_t at_once = std::max<std::int64_t>(1, kMostBytes / panel_bytes);
  for (std::int64_t begin = first; begin < end; begin += at_once) {
    const std::int64_t last = std::min(begin + at_once, end);
    std::optional<StoredRows> stored;
    const bool makes_f8_blocks = type == DType::kF8Scaled && type != t.dtype;
    if (type == t.dtype || makes_f8_blocks)
      stored.emplace(source, t, makes_f8_blocks, begin * kernels::kPanelRows,
                     last * kernels::kPanelRows, scratch.stored);
    for (std::int64_t p = begin; p < last; ++p, out += panel_bytes)
      pack_panel(t, type, p, stored ? &*stored : nullptr, scratch, out);
  }
}

void forget_rows(const ModelSource& source, const TensorSource& t, std::int64_t begin,
                 std::int64_t end) {
  for_mapped_rows(
      source, t, begin, end,
      [](const MappedFile& file, const TensorPiece&, auto bytes) { file.forget(bytes); });
}

}  // namespace pronk
