// A linear layer's weights: the handle that op.linear and op.embed read, whatever form they have.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/pack.h"
#include "ops/panel_source.h"
#include "tensor/dtype.h"

namespace pronk {

// Writes the exact float values of a row. Any thread.
using RowReader = std::function<void(std::int64_t row, float* out)>;

// W [rows, columns] of y = x Wᵀ. Cheap to copy: copies share the memory. Its values never change
// once it is loaded; then any thread may read it.
struct Linear {
  std::string name;  // Hugging Face's, without ".weight": "model.layers.3.mlp.up_proj"
  int rows = 0;
  int columns = 0;
  // The type of its packed panels (kernels/pack.h); none: rows are read as floats whenever they are
  // needed.
  std::optional<DType> packed_type;
  std::shared_ptr<const std::byte> panels;  // null while only planned, or where `source` is set
  std::shared_ptr<PanelSource> source;      // of panels that are packed when they are used again
  RowReader read_row;                       // for embed, and where nothing is packed

  std::int64_t num_panels() const { return kernels::num_panels(rows); }
  std::int64_t panel_bytes() const {
    return packed_type ? kernels::panel_bytes(*packed_type, columns) : 0;
  }
  std::int64_t packed_bytes() const { return num_panels() * panel_bytes(); }
};

// The weights of a norm, one for each column.
struct NormWeight {
  std::string name;  // "model.layers.3.input_layernorm"
  int columns = 0;
  std::vector<float> values;
};

}  // namespace pronk
