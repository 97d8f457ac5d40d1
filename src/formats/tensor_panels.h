// A tensor's rows, from wherever its files have them, as packed panels (kernels/pack.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/model_source.h"

namespace pronk {

// What one thread needs to bring the rows of panels together.
struct PanelScratch {
  std::vector<std::byte> stored;  // rows of some panels as the files have them
  std::vector<std::byte> rows;    // of one panel, as they are packed
  std::vector<float> values;      // of one row
};

// The type of its panels: its own; of FP8 kF8Scaled, or BF16 where the scales or rows are not of
// whole blocks of that: what has scales is rounded then.
DType panel_type(const TensorSource& tensor);

// Writes panels [first, end) (rows 32 first and on) of the tensor as `type`: panel_type(), or one
// that can be quantized here. panel_bytes(type, columns) bytes each.
void pack_panels(const ModelSource& source, const TensorSource& tensor, DType type,
                 std::int64_t first, std::int64_t end, PanelScratch& scratch, std::byte* out);

// Lets the mapped pages of rows [begin, end) go; a permutation stays within a head, so a few may be
// read again.
void forget_rows(const ModelSource& source, const TensorSource& tensor, std::int64_t begin,
                 std::int64_t end);

}  // namespace pronk
