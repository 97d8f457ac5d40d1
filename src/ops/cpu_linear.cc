// y = x Wᵀ, a panel of 32 rows of W at a time, each panel on one thread.
#include <algorithm>
#include <functional>

#include "ops/cpu_ops.h"

namespace pronk {
namespace {

// Whether rows of these activations go over several panels in one call.
bool at_once(const kernels::LinearKernels& k, DType type, const kernels::Activations& x) {
  return x.num_rows > 0 && x.bf16 && k.multiply_bf16[static_cast<std::size_t>(type)];
}

// Panels that a thread takes together: many tokens go over them while they are in its cache; but
// every thread should come back for work a few times, in case its neighbours are slow, and the
// fewer the tokens, the shorter may be what one does while the others wait.
int panels_per_run(const kernels::LinearKernels& k, const Linear& w, const StepMemory::Prepared& x,
                   int num_threads) {
  constexpr std::int64_t kRunBytes = 256 << 10;
  const bool are_at_once =
      at_once(k, *w.packed_type, x.prompts) || at_once(k, *w.packed_type, x.others);
  const std::int64_t most = are_at_once ? k.num_bf16_panels : kRunBytes / w.panel_bytes();
  const std::int64_t runs_each = x.prompts.num_tiles() + x.others.num_tiles() == 1 ? 16 : 4;
  const std::int64_t fair = w.num_panels() / (runs_each * num_threads);
  return static_cast<int>(std::clamp<std::int64_t>(most, 1, std::max<std::int64_t>(1, fair)));
}

// Tiles of activations that go over a run of panels together: they stay in the core's own cache
// meanwhile, beside the panels.
int tiles_per_pass(int columns, int tile_tokens) {
  constexpr std::int64_t kPassBytes = 512 << 10, kBytesPerValue = 2;  // a plane and its blocks
  const std::int64_t tile = kBytesPerValue * tile_tokens * columns;
  return static_cast<int>(std::max<std::int64_t>(1, kPassBytes / tile));
}

// Panels [first, end) times the rows of x, whose outputs y are [rows of x, rows of w].
void multiply_panels(const kernels::LinearKernels& k, const Linear& w, int first, int end,
                     const kernels::Activations& x, float* y) {
  const auto type = static_cast<std::size_t>(*w.packed_type);
  const int first_row = first * kernels::kPanelRows;
  if (at_once(k, *w.packed_type, x)) {
    const int num_rows = std::min(end * kernels::kPanelRows, w.rows) - first_row;
    return k.multiply_bf16[type]({w.panel(first), w.panel_bytes(), num_rows}, x, y + first_row,
                                 w.rows);
  }
  const int tiles = tiles_per_pass(x.columns, x.tile_tokens);
  for (int t = 0; t < x.num_tiles(); t += tiles)
    for (int p = first; p < end; ++p) {
      const int row = p * kernels::kPanelRows;
      const std::int64_t to = std::int64_t{t} * x.tile_tokens * w.rows + row;
      k.multiply_panel[type](w.panel(p), x.tiles(t, tiles),
                             std::min(kernels::kPanelRows, w.rows - row), y + to, w.rows);
    }
}

}  // namespace

const StepMemory::Prepared& CpuOps::prepare(Tensor x, DType type) {
  const kernels::LinearKernels& k = table_.linear;
  const auto i = static_cast<std::size_t>(type);
  StepMemory::Prepared& p =
      memory_.prepare(x, k.activation_kind[i], k.multiply_bf16[i] ? num_prompt_rows_ : 0);
  p.prompts.tile_tokens = p.others.tile_tokens = k.tile_tokens;
  if (!p.fresh || p.others.f32) return p;
  // A tile to a thread: its tokens share cache lines.
  const auto tile = [&](int item, int) {
    const int of_prompts = p.prompts.num_tiles();
    const bool is_prompt = item < of_prompts;
    const kernels::Activations& a = is_prompt ? p.prompts : p.others;
    const int first = (is_prompt ? item : item - of_prompts) * a.tile_tokens;
    for (int t = first; t < std::min(a.num_rows, first + a.tile_tokens); ++t) {
      const float* row = x.row(is_prompt ? t : p.prompts.num_rows + t);
      a.bf16 ? k.round_row(row, a, t) : k.quantize_row(row, rule_, a, t);
    }
  };
  pool_.run(p.prompts.num_tiles() + p.others.num_tiles(), std::ref(tile));
  return p;
}

Tensor CpuOps::linear(Tensor x, const Linear& w) {
  PRONK_CHECK(x.columns == w.columns, "x has a column for each column of the weights");
  const Tensor y = memory_.take(x.rows, w.rows);
  const kernels::LinearKernels& k = table_.linear;
  const StepMemory::Prepared& p = prepare(x, w.packed_type.value_or(DType::kF32));
  if (w.packed_type) {
    const int num_panels = static_cast<int>(w.num_panels());
    const int run = panels_per_run(k, w, p, pool_.num_threads());
    const auto item = [&](int i, int) {
      const int first = i * run, end = std::min(num_panels, first + run);
      multiply_panels(k, w, first, end, p.prompts, y.row(0));
      multiply_panels(k, w, first, end, p.others, y.row(p.prompts.num_rows));
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
    k.multiply_panel[static_cast<std::size_t>(DType::kF32)](
        panel, p.others, std::min(kernels::kPanelRows, w.rows - first_row), y.data + first_row,
        w.rows);
  };
  pool_.run(static_cast<int>(w.num_panels()), std::ref(item));
  return y;
}

}  // namespace pronk
