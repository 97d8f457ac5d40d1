// What tests of operations are made of: values, matrices with their exact values, CpuOps alone.
#pragma once
#include <algorithm>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "kernels/isa.h"
#include "ops/cpu_ops.h"
#include "tensor/dequantize.h"

namespace pronk::testing {

inline std::vector<float> random_values(std::int64_t n, std::uint64_t seed) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] = static_cast<float>(2 * random_unit(seed, i) - 1);
  return v;
}

// A matrix of one type, with its exact values.
struct Matrix {
  Linear handle;
  std::vector<float> values;

  Matrix(DType type, int rows, int columns, bool packed, std::uint64_t seed) {
    const std::vector<float> wanted = random_values(std::int64_t{rows} * columns, seed);
    const std::int64_t width = row_bytes(type, columns);
    std::vector<std::byte> stored(static_cast<std::size_t>(rows * width));
    values.resize(wanted.size());
    for (int r = 0; r < rows; ++r) {
      quantize_row(type, wanted.data() + std::int64_t{r} * columns, columns,
                   stored.data() + r * width);
      dequantize_row(type, stored.data() + r * width, columns,
                     values.data() + std::int64_t{r} * columns);
    }
    handle.name = "matrix";
    handle.rows = rows;
    handle.columns = columns;
    handle.read_row = [copy = values, columns](std::int64_t row, float* out) {
      std::copy_n(copy.data() + row * columns, columns, out);
    };
    if (!packed) return;
    handle.packed_type = type;
    auto panels = std::make_shared<Memory>(*Memory::zeroed(handle.packed_bytes()));
    for (int p = 0; p < handle.num_panels(); ++p) {
      kernels::PanelRows lines{};
      for (int r = 0; r < kernels::kPanelRows && p * kernels::kPanelRows + r < rows; ++r)
        lines[static_cast<std::size_t>(r)] = stored.data() + (p * kernels::kPanelRows + r) * width;
      kernels::pack_panel(type, lines, columns, panels->data() + p * handle.panel_bytes());
    }
    handle.panels = std::shared_ptr<const std::byte>(panels, panels->data());
  }
};

// CpuOps with everything it stands on.
struct Cpu {
  ThreadPool pool;
  Arena arena;
  CpuOps op;
  explicit Cpu(int threads, std::int64_t bytes = 64 << 20,
               const kernels::KernelTable& table = kernels::table())
      : pool(threads),
        arena(*Arena::of_bytes(bytes)),
        op(table, pool, arena, kernels::SecondPlane::kHigh) {}
};

inline Tensor view(std::vector<float>& v, int rows) {
  return {v.data(), rows, static_cast<int>(v.size()) / rows};
}

}  // namespace pronk::testing
