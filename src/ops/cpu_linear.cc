// y = x Wᵀ, a panel of 32 rows of W at a time, each panel on one thread: alone, several products at
// once, or with what follows, while the values are in the thread's cache.
#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <span>

#include "ops/cpu_ops.h"

namespace pronk {
namespace {

using kernels::kPanelRows;
using kernels::LinearKernels;

// Whether rows of these activations go over several panels in one call.
bool at_once(const LinearKernels& k, DType type, const kernels::Activations& x) {
  return x.num_rows > 0 && x.bf16 && k.multiply_bf16[static_cast<std::size_t>(type)];
}

// Panels that a thread takes together: many tokens go over them while they are in its cache; but
// every thread should come back for work a few times, in case its neighbours are slow, and the
// fewer the tokens, the shorter may be what one does while the others wait. Weights that are not
// packed come one panel at a time, those that are packed on the way as they fit into a buffer.
int panels_per_run(const LinearKernels& k, const Linear& w, const StepMemory::Prepared& x,
                   int num_threads) {
  constexpr std::int64_t kRunBytes = 256 << 10;
  if (!w.packed_type) return 1;
  const bool are_at_once =
      at_once(k, *w.packed_type, x.prompts) || at_once(k, *w.packed_type, x.others);
  const std::int64_t most = are_at_once ? k.num_bf16_panels : kRunBytes / w.panel_bytes();
  const std::int64_t fits = w.source ? StepMemory::most_panels_read(w) : most;
  const std::int64_t runs_each = x.prompts.num_tiles() + x.others.num_tiles() == 1 ? 16 : 4;
  const std::int64_t fair = w.num_panels() / (runs_each * num_threads);
  return static_cast<int>(
      std::clamp<std::int64_t>(std::min(most, fits), 1, std::max<std::int64_t>(1, fair)));
}

// Tiles of activations that go over a run of panels together: they stay in the core's own cache
// meanwhile, beside the panels.
int tiles_per_pass(int columns, int tile_tokens) {
  constexpr std::int64_t kPassBytes = 512 << 10, kBytesPerValue = 2;  // a plane and its blocks
  const std::int64_t tile = kBytesPerValue * tile_tokens * columns;
  return static_cast<int>(std::max<std::int64_t>(1, kPassBytes / tile));
}

// Packed panels [first, end), which stand at `panels`, times the rows of x, whose outputs y are
// [rows of x, rows of w].
void multiply_panels(const LinearKernels& k, const Linear& w, int first, int end,
                     const std::byte* panels, const kernels::Activations& x, float* y) {
  const auto type = static_cast<std::size_t>(*w.packed_type);
  const int first_row = first * kPanelRows;
  if (at_once(k, *w.packed_type, x)) {
    const int num_rows = std::min(end * kPanelRows, w.rows) - first_row;
    return k.multiply_bf16[type]({panels, w.panel_bytes(), num_rows}, x, y + first_row, w.rows);
  }
  const int tiles = tiles_per_pass(x.columns, x.tile_tokens);
  for (int t = 0; t < x.num_tiles(); t += tiles)
    for (int p = first; p < end; ++p) {
      const int row = p * kPanelRows;
      const std::int64_t to = std::int64_t{t} * x.tile_tokens * w.rows + row;
      k.multiply_panel[type](panels + (p - first) * w.panel_bytes(), x.tiles(t, tiles),
                             std::min(kPanelRows, w.rows - row), y + to, w.rows);
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

// The panels [first, end) of a product, as columns of y.
struct Run {
  int first, end;
  int column, num_columns;
};

// y = x Wᵀ in runs of panels, from the constructor's beginning to the destructor's end.
class Product {
 public:
  // `buffers` of each thread, where w is not packed.
  Product(const LinearKernels& k, const Linear& w, const StepMemory::Prepared& x, Tensor y,
          const StepMemory::PanelBuffers* buffers, int num_threads)
      : kernels_(k),
        w_(w),
        x_(x),
        y_(y),
        buffers_(buffers),
        run_panels_(panels_per_run(k, w, x, num_threads)),
        use_(w.source ? w.source->begin_use() : PanelSource::Use::kPacked) {}
  ~Product() {
    if (w_.source) w_.source->end_use(use_);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  int num_runs() const { return (num_panels() + run_panels_ - 1) / run_panels_; }
  Run run(int i) const {
    const int first = i * run_panels_, end = std::min(first + run_panels_, num_panels());
    return {first, end, first * kPanelRows,
            std::min(end * kPanelRows, w_.rows) - first * kPanelRows};
  }

  // The run's columns of y, for all tokens.
  void multiply(Run r, int thread) const {
    if (w_.packed_type) {
      const std::byte* p = panels(r, thread);
      multiply_panels(kernels_, w_, r.first, r.end, p, x_.prompts, y_.row(0));
      multiply_panels(kernels_, w_, r.first, r.end, p, x_.others, y_.row(x_.prompts.num_rows));
      return;
    }
    for (int i = r.first; i < r.end; ++i)
      kernels_.multiply_panel[static_cast<std::size_t>(DType::kF32)](
          pack_floats(w_, i, buffers_[thread]), x_.others,
          std::min(kPanelRows, w_.rows - i * kPanelRows), y_.data + i * kPanelRows, y_.columns);
  }

 private:
  int num_panels() const { return static_cast<int>(w_.num_panels()); }
  const std::byte* panels(Run r, int thread) const {
    if (!w_.source) return w_.panel(r.first);
    return w_.source->panels(r.first, r.end, use_, buffers_[thread].panels);
  }

  const LinearKernels& kernels_;
  const Linear& w_;
  const StepMemory::Prepared& x_;
  Tensor y_;
  const StepMemory::PanelBuffers* buffers_;
  int run_panels_;
  PanelSource::Use use_;
};

// Threads share the runs of all products: body(product, run, thread).
template <class Body>
void for_runs(ThreadPool& pool, std::span<const Product> products, const Body& body) {
  const auto item = [&](int i, int thread) {
    const Product* p = products.data();
    for (; i >= p->num_runs(); ++p) i -= p->num_runs();
    body(*p, p->run(i), thread);
  };
  const auto count = [](int sum, const Product& p) { return sum + p.num_runs(); };
  pool.run(std::accumulate(products.begin(), products.end(), 0, count), std::ref(item));
}

}  // namespace

const StepMemory::Prepared& CpuOps::prepare(Tensor x, const Linear& w) {
  PRONK_CHECK(x.columns == w.columns, "x has a column for each column of the weights");
  const LinearKernels& k = table_.linear;
  const auto i = static_cast<std::size_t>(w.packed_type.value_or(DType::kF32));
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
  const StepMemory::Prepared& in = prepare(x, w);
  const Tensor y = memory_.take(x.rows, w.rows);
  ArenaScope scope(memory_.arena());
  const Product product(table_.linear, w, in, y, memory_.take_panel_buffers({&w}),
                        pool_.num_threads());
  for_runs(pool_, {&product, 1},
           [](const Product& p, Run r, int thread) { p.multiply(r, thread); });
  return y;
}

std::array<Tensor, 3> CpuOps::linears(Tensor x, const Linear& a, const Linear& b, const Linear& c) {
  const StepMemory::Prepared &for_a = prepare(x, a), &for_b = prepare(x, b), &for_c = prepare(x, c);
  const std::array y{memory_.take(x.rows, a.rows), memory_.take(x.rows, b.rows),
                     memory_.take(x.rows, c.rows)};
  ArenaScope scope(memory_.arena());
  const auto* buffers = memory_.take_panel_buffers({&a, &b, &c});
  const LinearKernels& k = table_.linear;
  const std::array products{Product(k, a, for_a, y[0], buffers, pool_.num_threads()),
                            Product(k, b, for_b, y[1], buffers, pool_.num_threads()),
                            Product(k, c, for_c, y[2], buffers, pool_.num_threads())};
  for_runs(pool_, products, [](const Product& p, Run r, int thread) { p.multiply(r, thread); });
  return y;
}

Tensor CpuOps::linear_add(Tensor x, const Linear& w, Tensor residual) {
  const StepMemory::Prepared& in = prepare(x, w);
  const Tensor y = memory_.take_turn();
  PRONK_CHECK(residual.rows == x.rows && residual.columns == w.rows, "only equal shapes are added");
  PRONK_CHECK(y.rows == x.rows && y.columns == w.rows && y.data != residual.data,
              "linear_add makes the next residual");
  ArenaScope scope(memory_.arena());
  const Product product(table_.linear, w, in, y, memory_.take_panel_buffers({&w}),
                        pool_.num_threads());
  for_runs(pool_, {&product, 1}, [&](const Product& p, Run r, int thread) {
    p.multiply(r, thread);
    for (int t = 0; t < y.rows; ++t) {
      float* out = y.row(t) + r.column;
      table_.vector.add(residual.row(t) + r.column, out, r.num_columns, out);
    }
  });
  return y;
}

Tensor CpuOps::linear_swiglu(Tensor x, const Linear& gate, const Linear& up) {
  PRONK_CHECK(gate.rows == up.rows, "gate and up have one shape");
  // A run's columns of many rows are more than a core's own cache keeps: nothing is gained then.
  constexpr int kMostRows = 64;
  if (x.rows > kMostRows) {
    const Tensor y = linear(x, gate);
    return swiglu(y, linear(x, up));
  }
  const StepMemory::Prepared &for_gate = prepare(x, gate), &for_up = prepare(x, up);
  const Tensor y = memory_.take(x.rows, gate.rows), z = memory_.take(x.rows, up.rows);
  ArenaScope scope(memory_.arena());
  const auto* buffers = memory_.take_panel_buffers({&gate, &up});
  const Product gates(table_.linear, gate, for_gate, y, buffers, pool_.num_threads());
  const Product ups(table_.linear, up, for_up, z, buffers, pool_.num_threads());
  for_runs(pool_, {&gates, 1}, [&](const Product& p, Run r, int thread) {
    p.multiply(r, thread);
    ups.multiply(r, thread);
    for (int t = 0; t < y.rows; ++t)
      table_.vector.swiglu(y.row(t) + r.column, z.row(t) + r.column, r.num_columns);
  });
  return y;
}

}  // namespace pronk
