// The operations on rows: everything but linear (cpu_linear.cc) and attend (cpu_attend.cc).
#include "ops/cpu_ops.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace pronk {
namespace {

constexpr int kRowsPerItem = 8;

// Calls body(row) for all rows, a few at a time on each thread.
template <class Body>
void for_rows(ThreadPool& pool, int num_rows, const Body& body) {
  const auto item = [&](int i, int) {
    const int end = std::min(num_rows, (i + 1) * kRowsPerItem);
    for (int row = i * kRowsPerItem; row < end; ++row) body(row);
  };
  pool.run((num_rows + kRowsPerItem - 1) / kRowsPerItem, std::ref(item));
}

}  // namespace

void CpuOps::begin_step(int num_tokens, int head_dim, int num_prompt_rows) {
  num_prompt_rows_ = num_prompt_rows;
  memory_.begin(num_tokens, head_dim);
  angles_known_ = false;
}

Tensor CpuOps::embed(const Linear& w, std::span<const TokenId> tokens) {
  const Tensor y = memory_.take_residuals(static_cast<int>(tokens.size()), w.columns);
  for_rows(pool_, y.rows, [&](int i) {
    const TokenId token = tokens[static_cast<std::size_t>(i)];
    PRONK_CHECK(token >= 0 && token < w.rows, "a token is a row of the embedding");
    w.read_row(token, y.row(i));
  });
  return y;
}

Tensor CpuOps::rms_norm(Tensor x, const NormWeight& w, float eps) {
  PRONK_CHECK(x.columns == w.columns, "a norm has a weight for each column");
  const Tensor y = memory_.take(x.rows, x.columns);
  for_rows(pool_, x.rows, [&](int i) {
    table_.vector.rms_norm(x.row(i), w.values.data(), x.columns, eps, y.row(i));
  });
  return y;
}

// Angles are products in float32, as in the code that the models were trained and released with (at
// position 2000 they are 1e-4 from exact, which a model's logits show); their cosines and sines are
// exact to the last bit.
Tensor CpuOps::angles(std::span<const int> positions, const Rotation& rotation) {
  const int half = rotation.head_dim / 2;
  const Tensor angles = memory_.angles();
  PRONK_CHECK(
      positions.size() == static_cast<std::size_t>(angles.rows) && angles.columns == 2 * half,
      "a rotation takes a position for each row of the step, and its heads");
  if (!angles_known_)
    for_rows(pool_, angles.rows, [&](int i) {
      for (int j = 0; j < half; ++j) {
        const double angle = static_cast<float>(positions[static_cast<std::size_t>(i)]) *
                             rotation.frequencies[static_cast<std::size_t>(j)];
        angles.row(i)[j] = static_cast<float>(std::cos(angle));
        angles.row(i)[half + j] = static_cast<float>(std::sin(angle));
      }
    });
  angles_known_ = true;
  return angles;
}

Tensor CpuOps::rope(Tensor x, std::span<const int> positions, const Rotation& rotation) {
  const int head_dim = rotation.head_dim, half = head_dim / 2;
  const Tensor angles = this->angles(positions, rotation);
  PRONK_CHECK(x.columns % head_dim == 0 && x.rows == angles.rows, "rope takes whole heads");
  for_rows(pool_, x.rows, [&](int i) {
    table_.vector.rope(x.row(i), angles.row(i), angles.row(i) + half, x.columns / head_dim,
                       head_dim);
  });
  return x;
}

Tensor CpuOps::swiglu(Tensor gate, Tensor up) {
  PRONK_CHECK(gate.rows == up.rows && gate.columns == up.columns, "gate and up have one shape");
  for_rows(pool_, gate.rows,
           [&](int i) { table_.vector.swiglu(gate.row(i), up.row(i), gate.columns, gate.row(i)); });
  return gate;
}

Tensor CpuOps::add(Tensor x, Tensor y) {
  PRONK_CHECK(x.rows == y.rows && x.columns == y.columns, "only equal shapes are added");
  const Tensor z = memory_.take_turn();
  PRONK_CHECK(z.rows == x.rows && z.columns == x.columns && z.data != x.data,
              "add makes the next residual");
  for_rows(pool_, x.rows,
           [&](int i) { table_.vector.add(x.row(i), y.row(i), x.columns, z.row(i)); });
  return z;
}

Tensor CpuOps::select_rows(Tensor x, std::span<const int> rows) {
  const auto is_prompt = [&](int row) { return row < num_prompt_rows_; };
  PRONK_CHECK(std::is_partitioned(rows.begin(), rows.end(), is_prompt),
              "rows of prompts stay the first");
  const Tensor y = memory_.take(static_cast<int>(rows.size()), x.columns);
  for (int i = 0; i < y.rows; ++i) {
    const int row = rows[static_cast<std::size_t>(i)];
    PRONK_CHECK(row >= 0 && row < x.rows, "a selected row exists");
    std::copy_n(x.row(row), x.columns, y.row(i));
  }
  num_prompt_rows_ = static_cast<int>(std::count_if(rows.begin(), rows.end(), is_prompt));
  return y;
}

}  // namespace pronk
