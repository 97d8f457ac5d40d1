// A view of float values [rows, columns], row after row. Its memory is a step's arena, or whoever
// made it.
#pragma once
#include <cstdint>

namespace pronk {

struct Tensor {
  float* data = nullptr;  // null when only shapes are counted (PlanOps)
  int rows = 0;
  int columns = 0;

  float* row(int i) const { return data + static_cast<std::int64_t>(i) * columns; }
  std::int64_t size() const { return static_cast<std::int64_t>(rows) * columns; }
  std::int64_t size_bytes() const { return size() * static_cast<std::int64_t>(sizeof(float)); }
};

}  // namespace pronk
