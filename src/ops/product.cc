#include "ops/product.h"

#include <algorithm>

#include "kernels/pack.h"
#include "ops/panel_source.h"

namespace pronk {
namespace {

using kernels::kPanelRows;
using kernels::LinearKernels;

int rounded_up(int n, int by) { return (n + by - 1) / by; }

// Whether rows of these activations go over several panels in one call.
bool at_once(const LinearKernels& k, DType type, const kernels::Activations& x) {
  return x.num_rows > 0 && x.bf16 && k.multiply_bf16[static_cast<std::size_t>(type)];
}

// Tokens of a block. A row of integers takes more of a cache than one of bf16, with its second
// plane, scales and sums.
int most_block_tokens(bool are_at_once) { return are_at_once ? 256 : 180; }

// Tiles of a block of rows. A core's own cache keeps narrow rows from one operation to the next, so
// there each thread gets equally many blocks: the same rows every time.
int tiles_per_block(int num_tiles, int most_tokens, std::int64_t columns, int num_threads) {
  constexpr std::int64_t kNarrow = 2048;  // columns, from which on that does not pay
  constexpr int kFewTiles = 8;            // of a block: with fewer, unpacking weights costs more
  const int num_blocks = rounded_up(num_tiles, most_tokens / kernels::kTileTokens);
  const int fair = rounded_up(num_blocks, num_threads) * num_threads;
  const bool is_fair = num_blocks > 1 && columns < kNarrow && num_tiles >= fair * kFewTiles;
  return rounded_up(num_tiles, is_fair ? fair : num_blocks);
}

// Panels that a thread takes together: many tokens go over them while they are in its cache; but
// every thread should come back for work a few times, in case its neighbours are slow, and the
// fewer the tokens, the shorter may be what one does while the others wait. Weights that are not
// packed come one panel at a time, those that are packed on the way as they fit into a buffer.
int panels_per_run(const LinearKernels& k, const Linear& w, const StepMemory::Prepared& x,
                   int num_threads, int num_together) {
  constexpr std::int64_t kRunBytes = 256 << 10;
  if (!w.packed_type) return 1;
  const bool are_at_once =
      at_once(k, *w.packed_type, x.prompts) || at_once(k, *w.packed_type, x.others);
  const std::int64_t most =
      are_at_once ? k.num_bf16_panels / num_together : kRunBytes / w.panel_bytes();
  const std::int64_t fits = w.source ? StepMemory::most_panels_read(w) : most;
  const std::int64_t runs_each = x.prompts.num_tiles() + x.others.num_tiles() == 1 ? 16 : 4;
  const std::int64_t fair = w.num_panels() / (runs_each * num_threads);
  return static_cast<int>(
      std::clamp<std::int64_t>(std::min(most, fits), 1, std::max<std::int64_t>(1, fair)));
}

// Tiles of activations that go over a run of panels together: many, since a panel is unpacked for
// all of them, but no more than a core's caches keep beside the panels. Passes are alike.
int tiles_per_pass(const kernels::Activations& x) {
  constexpr std::int64_t kPassBytes = 2 << 20, kBytesPerValue = 2;  // a plane and its blocks
  const std::int64_t bytes = kBytesPerValue * x.num_rows * x.columns;
  return rounded_up(x.num_tiles(), static_cast<int>((bytes + kPassBytes - 1) / kPassBytes));
}

// Packed panels times the rows of x; y[t · y_stride] is the first panel's first output for row t.
void multiply_panels(const LinearKernels& k, DType type, const kernels::Panels& panels,
                     const kernels::Activations& x, float* y, std::int64_t y_stride) {
  if (x.num_rows == 0) return;
  const auto i = static_cast<std::size_t>(type);
  if (at_once(k, type, x)) return k.multiply_bf16[i](panels, x, y, y_stride);
  const int tiles = tiles_per_pass(x);
  for (int t = 0; t < x.num_tiles(); t += tiles) {
    const kernels::Activations pass = x.tiles(t, tiles);
    float* out = y + std::int64_t{t} * kernels::kTileTokens * y_stride;
    for (int p = 0; p < panels.count(); ++p)
      k.multiply_panel[i](panels.panel(p), pass, panels.rows_of(p), out + p * kPanelRows, y_stride);
  }
}

// The exact values of a panel that is not packed, packed.
const std::byte* pack_floats(const Linear& w, int panel, const StepMemory::PanelBuffers& buffers) {
  const int first_row = panel * kPanelRows;
  kernels::PanelRows lines{};
  for (int r = 0; r < kPanelRows && first_row + r < w.rows; ++r) {
    float* line = buffers.rows + static_cast<std::int64_t>(r) * w.columns;
    w.read_row(first_row + r, line);
    lines[static_cast<std::size_t>(r)] = reinterpret_cast<const std::byte*>(line);
  }
  kernels::pack_panel(DType::kF32, lines, w.columns, buffers.panels);
  return buffers.panels;
}

}  // namespace

Product::Product(const LinearKernels& k, const Linear& w, const StepMemory::Prepared& x, Tensor y,
                 const StepMemory::PanelBuffers* buffers, int num_threads, int num_together)
    : kernels_(k),
      w_(w),
      y_(y),
      buffers_(buffers),
      blocks_of_(x.prompts),
      rest_(x.others),
      panel_bytes_(w.panel_bytes()),
      run_panels_(panels_per_run(k, w, x, num_threads, num_together)),
      num_runs_(rounded_up(static_cast<int>(w.num_panels()), run_panels_)),
      use_(w.source ? w.source->begin_use() : PanelSource::Use::kPacked) {
  if (x.prompts.num_rows == 0) std::swap(blocks_of_, rest_);
  // Even no rows are a block: their panels may have to be packed.
  const int num_tiles = std::max(1, blocks_of_.num_tiles());
  block_tiles_ = num_tiles;
  // What packs panels on its way does so once.
  if (w.packed_type && use_ == PanelSource::Use::kPacked) {
    const int most = most_block_tokens(at_once(k, *w.packed_type, blocks_of_));
    block_tiles_ = tiles_per_block(num_tiles, most, w.columns, num_threads);
  }
  num_blocks_ = rounded_up(num_tiles, block_tiles_);
}

Product::~Product() {
  if (w_.source) w_.source->end_use(use_);
}

Portion Product::portion(int i) const {
  const int first = i % num_runs_ * run_panels_;
  const int end = std::min(first + run_panels_, static_cast<int>(w_.num_panels()));
  const int column = first * kPanelRows, block = i / num_runs_;
  return {first,
          end,
          column,
          std::min(end * kPanelRows, w_.rows) - column,
          block,
          block * block_tiles_ * kernels::kTileTokens,
          of_block(block).num_rows + rest_of(block).num_rows};
}

std::int64_t Product::most_outputs() const {
  const int of_first = portion(0).num_rows, of_last = portion(num_portions() - 1).num_rows;
  return std::int64_t{std::max(of_first, of_last)} * run_panels_ * kPanelRows;
}

void Product::multiply(const Portion& s, int thread, float* y, std::int64_t y_stride) const {
  if (w_.packed_type) {
    const kernels::Panels p{panels(s, thread), panel_bytes_, s.num_columns};
    const kernels::Activations x = of_block(s.block);
    multiply_panels(kernels_, *w_.packed_type, p, x, y, y_stride);
    multiply_panels(kernels_, *w_.packed_type, p, rest_of(s.block), y + x.num_rows * y_stride,
                    y_stride);
    return;
  }
  for (int i = s.first; i < s.end; ++i)
    kernels_.multiply_panel[static_cast<std::size_t>(DType::kF32)](
        pack_floats(w_, i, buffers_[thread]), of_block(s.block),
        std::min(kPanelRows, w_.rows - i * kPanelRows), y + (i - s.first) * kPanelRows, y_stride);
}

const std::byte* Product::panels(const Portion& s, int thread) const {
  if (!w_.source) return w_.panels.get() + s.first * panel_bytes_;
  return w_.source->panels(s.first, s.end, use_, buffers_[thread].panels);
}

}  // namespace pronk
