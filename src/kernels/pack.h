// From rows of stored weights to packed panels of 32 rows, which take the same number of bytes, and
// back.
// Layouts: docs/kernels.md.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/linear_kernels.h"
#include "tensor/dtype.h"

namespace pronk::kernels {

// Grows whenever a panel's bytes change, so that a packed file of another layout is not read as
// one.
inline constexpr std::uint32_t kPanelLayout = 1;

inline std::int64_t num_panels(std::int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

// 32 · row_bytes(type, columns), and for BF16 with an odd number of columns 64 more. columns must
// be a multiple of the type's block size.
std::int64_t panel_bytes(DType type, std::int64_t columns);

// Where the 32 rows of a panel stand, in any order; null for the rows that the last panel of a
// matrix lacks, which become zeros.
using PanelRows = std::array<const std::byte*, kPanelRows>;

// Writes panel_bytes(type, columns) bytes. `out` needs no alignment; 64 is faster. Any thread.
void pack_panel(DType type, const PanelRows& rows, int columns, std::byte* out);

// Writes row 0 to 31 of a panel as it was stored: row_bytes(type, columns). Any thread.
void unpack_row(DType type, const std::byte* panel, int row, int columns, std::byte* out);

}  // namespace pronk::kernels
