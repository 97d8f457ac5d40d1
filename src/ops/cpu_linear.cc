// y = x Wᵀ, a panel of 32 rows of W at a time, each panel on one thread.
#include <algorithm>
#include <functional>

#include "ops/cpu_ops.h"

namespace pronk {
namespace {

// Panels that a thread takes together: many tokens go over them while they are in its cache; but
// every thread should come back for work a few times, in case its neighbours are slow, and the
// fewer the tokens, the shorter may be what one does while the others wait.
int panels_per_run(const Linear& w, int num_threads, bool one_tile) {
  constexpr std::int64_t kRunBytes = 256 << 10;
  const std::int64_t runs_each = one_tile ? 16 : 4;
  const std::int64_t fair = w.num_panels() / (runs_each * num_threads);
  return static_cast<int>(
      std::clamp<std::int64_t>(kRunBytes / w.panel_bytes(), 1, std::max<std::int64_t>(1, fair)));
}

// Tiles of activations that go over a run of panels together: they stay in the core's own cache
// meanwhile, beside the panels.
int tiles_per_pass(int columns, int tile_tokens) {
  constexpr std::int64_t kPassBytes = 512 << 10, kBytesPerValue = 2;  // a plane and its blocks
  const std::int64_t tile = kBytesPerValue * tile_tokens * columns;
  return static_cast<int>(std::max<std::int64_t>(1, kPassBytes / tile));
}

}  // namespace

const kernels::Activations& CpuOps::prepare(Tensor x, kernels::ActivationKind kind) {
  const StepMemory::Prepared p = memory_.prepare(x, kind);
  p.activations->tile_tokens = table_.linear.tile_tokens;
  if (!p.fresh || kind == kernels::ActivationKind::kF32) return *p.activations;
  const kernels::Activations& a = *p.activations;
  // A tile to a thread: its tokens share cache lines.
  const auto tile = [&](int item, int) {
    for (int i = item * a.tile_tokens; i < std::min(x.rows, (item + 1) * a.tile_tokens); ++i) {
      if (kind == kernels::ActivationKind::kInt8)
        table_.linear.quantize_row(x.row(i), rule_, a, i);
      else
        table_.linear.round_row(x.row(i), a, i);
    }
  };
  pool_.run(a.num_tiles(), std::ref(tile));
  return *p.activations;
}

Tensor CpuOps::linear(Tensor x, const Linear& w) {
  PRONK_CHECK(x.columns == w.columns, "x has a column for each column of the weights");
  const Tensor y = memory_.take(x.rows, w.rows);
  const auto type = static_cast<std::size_t>(w.packed_type.value_or(DType::kF32));
  const kernels::Activations& a = prepare(
      x, w.packed_type ? table_.linear.activation_kind[type] : kernels::ActivationKind::kF32);
  const auto multiply = [&](const kernels::Activations& some, int first_token,
                            const std::byte* panel, int first_row) {
    table_.linear.multiply_panel[type](
        panel, some, std::min(kernels::kPanelRows, w.rows - first_row),
        y.data + static_cast<std::int64_t>(first_token) * w.rows + first_row, w.rows);
  };
  if (w.packed_type) {
    const int num_panels = static_cast<int>(w.num_panels());
    const int run = panels_per_run(w, pool_.num_threads(), a.num_tiles() == 1),
              tiles = tiles_per_pass(x.columns, a.tile_tokens);
    const auto item = [&](int i, int) {
      for (int t = 0; t < a.num_tiles(); t += tiles)
        for (int p = i * run; p < std::min(num_panels, (i + 1) * run); ++p)
          multiply(a.tiles(t, tiles), t * a.tile_tokens, w.panel(p), p * kernels::kPanelRows);
    };
    pool_.run((num_panels + run - 1) / run, std::ref(item));
    return y;
  }

  // The exact values of one panel after the other.
  ArenaScope scope(memory_.arena());
  const StepMemory::PanelBuffers* buffers = memory_.take_panel_buffers(w.columns);
  const auto item = [&](int i, int thread) {
    const auto [rows, panel] = buffers[thread];
    const int first_row = i * kernels::kPanelRows;
    kernels::PanelRows lines{};
    for (int r = 0; r < kernels::kPanelRows && first_row + r < w.rows; ++r) {
      float* line = rows + static_cast<std::int64_t>(r) * w.columns;
      w.read_row(first_row + r, line);
      lines[static_cast<std::size_t>(r)] = reinterpret_cast<const std::byte*>(line);
    }
    kernels::pack_panel(DType::kF32, lines, w.columns, panel);
    multiply(a, 0, panel, first_row);
  };
  pool_.run(static_cast<int>(w.num_panels()), std::ref(item));
  return y;
}

}  // namespace pronk
