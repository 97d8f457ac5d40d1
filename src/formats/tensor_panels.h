// A tensor's rows, from wherever its files have them, as packed panels (kernels/pack.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "formats/model_source.h"

namespace pronk {

// What one thread needs to bring the rows of a panel together.
struct PanelScratch {
  std::vector<std::byte> rows;
  std::vector<float> values;  // one row
};

// Writes panel `index` (rows 32 index and on) of the tensor as `type`: its own, or one that can be
// quantized here. panel_bytes(type, columns) bytes.
void pack_panel(const TensorSource& tensor, DType type, std::int64_t index, PanelScratch& scratch,
                std::byte* out);

}  // namespace pronk
