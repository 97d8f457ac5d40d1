// y = x Wᵀ and what follows it, while the values are in the thread's cache.
#include <array>
#include <functional>

#include "ops/cpu_ops.h"
#include "ops/product.h"

namespace pronk {

const StepMemory::Prepared& CpuOps::prepare(Tensor x, const Linear& w) {
  PRONK_CHECK(x.columns == w.columns, "x has a column for each column of the weights");
  const kernels::LinearKernels& k = table_.linear;
  const auto i = static_cast<std::size_t>(w.packed_type.value_or(DType::kF32));
  StepMemory::Prepared& p = memory_.prepare(x, k.activation_kind[i], k.activation_max[i],
                                            k.multiply_bf16[i] ? num_prompt_rows_ : 0);
  if (!p.fresh || p.others.f32) return p;
  // A tile to a thread: its tokens share cache lines.
  const auto tile = [&](int item, int) {
    const int of_prompts = p.prompts.num_tiles();
    const bool is_prompt = item < of_prompts;
    const kernels::Activations& a = is_prompt ? p.prompts : p.others;
    const int in_a = is_prompt ? item : item - of_prompts, first = in_a * kernels::kTileTokens;
    const int row = is_prompt ? first : p.prompts.num_rows + first;
    if (!a.bf16) return k.quantize_tile(x.row(row), rule_, a.tile(in_a));
    for (int t = first; t < std::min(a.num_rows, first + kernels::kTileTokens); ++t)
      k.round_row(x.row(row + t - first), a, t);
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
  for_portions(pool_, {&product, 1},
               [](const Product& p, const Portion& s, int thread) { p.multiply(s, thread); });
  return y;
}

std::array<Tensor, 3> CpuOps::linears(Tensor x, const Linear& a, const Linear& b, const Linear& c) {
  const StepMemory::Prepared &for_a = prepare(x, a), &for_b = prepare(x, b), &for_c = prepare(x, c);
  const std::array y{memory_.take(x.rows, a.rows), memory_.take(x.rows, b.rows),
                     memory_.take(x.rows, c.rows)};
  ArenaScope scope(memory_.arena());
  const auto* buffers = memory_.take_panel_buffers({&a, &b, &c});
  const kernels::LinearKernels& k = table_.linear;
  const std::array products{Product(k, a, for_a, y[0], buffers, pool_.num_threads()),
                            Product(k, b, for_b, y[1], buffers, pool_.num_threads()),
                            Product(k, c, for_c, y[2], buffers, pool_.num_threads())};
  for_portions(pool_, products,
               [](const Product& p, const Portion& s, int thread) { p.multiply(s, thread); });
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
  for_portions(pool_, {&product, 1}, [&](const Product& p, const Portion& s, int thread) {
    p.multiply(s, thread);
    for (int t = s.first_row; t < s.first_row + s.num_rows; ++t) {
      float* out = y.row(t) + s.column;
      table_.vector.add(residual.row(t) + s.column, out, s.num_columns, out);
    }
  });
  return y;
}

Tensor CpuOps::linear_swiglu(Tensor x, const Linear& gate, const Linear& up) {
  PRONK_CHECK(gate.rows == up.rows, "gate and up have one shape");
  const StepMemory::Prepared &for_gate = prepare(x, gate), &for_up = prepare(x, up);
  const Tensor y = memory_.take(x.rows, gate.rows), z = memory_.take(x.rows, up.rows);
  ArenaScope scope(memory_.arena());
  const auto* buffers = memory_.take_panel_buffers({&gate, &up});
  const kernels::LinearKernels& k = table_.linear;
  const int num_threads = pool_.num_threads();
  const std::array products{Product(k, gate, for_gate, y, buffers, num_threads, 2),
                            Product(k, up, for_up, z, buffers, num_threads, 2)};
  const Product &gates = products[0], &ups = products[1];
  // Side by side where a core's own cache keeps both portions: z, whole, is the threads' scratch.
  constexpr std::int64_t kMostOutputs = 64 << 10;
  const std::int64_t each = gates.most_outputs();
  if (each > kMostOutputs || !gates.is_cut_as(ups) || 2 * each * num_threads > z.size()) {
    for_portions(pool_, products,
                 [](const Product& p, const Portion& s, int thread) { p.multiply(s, thread); });
    return swiglu(y, z);
  }
  for_portions(pool_, {&gates, 1}, [&](const Product& p, const Portion& s, int thread) {
    float* g = z.data + 2 * each * thread;
    float* u = g + each;
    p.multiply(s, thread, g, s.num_columns);
    ups.multiply(s, thread, u, s.num_columns);
    for (int t = 0; t < s.num_rows; ++t, g += s.num_columns, u += s.num_columns)
      table_.vector.swiglu(g, u, s.num_columns, y.row(s.first_row + t) + s.column);
  });
  return y;
}

}  // namespace pronk
