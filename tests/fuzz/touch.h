// Reads every row, so that the sanitizers see any that lies outside its file.
#pragma once
#include <vector>

#include "formats/model_source.h"

namespace pronk {

inline void touch(const ModelSource& source) {
  std::vector<float> row;
  for (const auto& [name, tensor] : source.tensors) {
    row.resize(static_cast<std::size_t>(tensor.columns));
    for (std::int64_t r = 0; r < tensor.rows; ++r) tensor.read_row(r, row.data());
  }
}

}  // namespace pronk
