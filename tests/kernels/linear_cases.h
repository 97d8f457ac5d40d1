// Matrices of every weight type, activations, and their products: what the tests of the linear
// kernels share.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/pack.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"
#include "tensor/half.h"

namespace pronk::kernels {

using Bytes = std::vector<std::byte>;

inline std::size_t index(DType type) { return static_cast<std::size_t>(type); }
// Those that weights are packed as: all but F8_E4M3, which is F8_SCALED then.
inline std::vector<int> panel_types() {
  std::vector<int> types;
  for (int i = 0; i < kNumDTypes; ++i)
    if (static_cast<DType>(i) != DType::kF8E4M3) types.push_back(i);
  return types;
}

// Whose products are of integers.
inline bool is_block_type(DType type) {
  return info(type).block_size > 1 && type != DType::kF8Scaled;
}

// Where a block's 16-bit floats stand, to make them plain numbers.
inline std::vector<int> halfs_of(DType type) {
  switch (type) {
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
      return {108};
    case DType::kQ6_K:
      return {208};
    case DType::kMXFP4:
      return {};
    default:
      return {0};
  }
}

// Every number of E4M3, and scales.
inline Bytes random_f8_row(int columns, std::mt19937& rng) {
  std::uniform_real_distribution<float> scale(-0.02f, 0.02f);
  Bytes row(static_cast<std::size_t>(row_bytes(DType::kF8Scaled, columns)));
  blocks::F8Scaled block;
  for (std::size_t at = 0; at < row.size(); at += sizeof block) {
    block.scale = scale(rng);
    for (std::uint8_t& v : block.values) {
      v = static_cast<std::uint8_t>(rng());
      if ((v & 0x7f) == 0x7f) --v;  // no NaN
    }
    std::memcpy(row.data() + at, &block, sizeof block);
  }
  return row;
}

// Random stored bytes of any type, every bit pattern of the integers possible.
inline Bytes random_row(DType type, int columns, std::mt19937& rng) {
  if (type == DType::kF8Scaled) return random_f8_row(columns, rng);
  Bytes row(static_cast<std::size_t>(row_bytes(type, columns)));
  if (!is_block_type(type)) {
    std::normal_distribution<float> normal(0, 0.05f);
    std::vector<float> values(static_cast<std::size_t>(columns));
    for (float& v : values) v = normal(rng);
    quantize_row(type, values.data(), columns, row.data());
    return row;
  }
  for (std::byte& b : row) b = static_cast<std::byte>(rng());
  std::uniform_real_distribution<float> scale(-0.02f, 0.02f);
  const int size = info(type).block_bytes;
  for (int at = 0; at < static_cast<int>(row.size()); at += size) {
    for (int half : halfs_of(type)) {
      const std::uint16_t h = float_to_half(scale(rng));
      std::memcpy(row.data() + at + half, &h, 2);
    }
    if (type == DType::kMXFP4)
      row[static_cast<std::size_t>(at)] = static_cast<std::byte>(115 + rng() % 8);
  }
  return row;
}

struct Matrix {
  DType type;
  int rows, columns;
  std::vector<Bytes> stored;
  std::vector<Bytes> panels;
};

inline Matrix random_matrix(DType type, int rows, int columns, std::mt19937& rng) {
  Matrix m{type, rows, columns, {}, {}};
  for (int r = 0; r < rows; ++r) m.stored.push_back(random_row(type, columns, rng));
  for (int first = 0; first < rows; first += kPanelRows) {
    PanelRows of_panel{};
    for (int r = 0; r < kPanelRows && first + r < rows; ++r)
      of_panel[static_cast<std::size_t>(r)] = m.stored[static_cast<std::size_t>(first + r)].data();
    m.panels.emplace_back(static_cast<std::size_t>(panel_bytes(type, columns)));
    pack_panel(type, of_panel, columns, m.panels.back().data());
  }
  return m;
}

// Rows of activations with blocks that stand out, blocks of zeros and one large value.
inline std::vector<float> random_activations(int tokens, int columns, std::mt19937& rng) {
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t block = i / 32;
    const float size = block % 7 == 3 ? 0.0f : block % 5 == 1 ? 40.0f : 1.0f;
    x[i] = normal(rng) * size;
  }
  x[x.size() / 2] = 3e4f;
  return x;
}

// Activations with memory of their own, in whatever forms a table may want.
struct OwnedActivations {
  std::vector<float> values;
  std::vector<std::int8_t> high;
  std::vector<LowBlock> low;
  std::vector<std::int32_t> low_ends;
  std::vector<float> scales;
  std::vector<std::int32_t> negated_high, pairs_high;
  std::vector<float> scaled_sums;
  std::vector<std::uint16_t> bf16;
  Activations view;

  // As weights of the type want them.
  OwnedActivations(const LinearKernels& k, DType type, const float* x, int tokens, int columns,
                   SecondPlane rule) {
    const auto n = static_cast<std::size_t>(tokens) * static_cast<std::size_t>(columns);
    values.assign(x, x + n);
    high.resize(n);
    low.resize(n / 32);
    scales.resize(n / 32);
    negated_high.resize(n / 32 * kBlockSums);
    scaled_sums.resize(n / 32 * kBlockSums);
    pairs_high.resize(n / 32 * kPairStarts);
    bf16.resize(static_cast<std::size_t>(tokens * (columns + 31) / 32 * 32 + 32 * tokens));
    view = {.num_rows = tokens,
            .columns = columns,
            .max = k.activation_max[index(type)],
            .high = high.data(),
            .low = low.data(),
            .scales = scales.data(),
            .negated_high = negated_high.data(),
            .scaled_sums = scaled_sums.data(),
            .pairs_high = pairs_high.data(),
            .bf16 = bf16.data(),
            .f32 = values.data()};
    low_ends.resize(static_cast<std::size_t>(view.num_tiles() * view.num_blocks()));
    view.low_ends = low_ends.data();
    for (int t = 0; t < tokens; ++t)
      k.round_row(x + static_cast<std::int64_t>(t) * columns, view, t);
    if (columns % 32 != 0) return;
    for (int i = 0; i < view.num_tiles(); ++i)
      k.quantize_tile(x + static_cast<std::int64_t>(i) * kTileTokens * columns, rule, view.tile(i));
  }

  // What the kernel multiplies with, as numbers: for integers the sum of both planes' parts.
  struct Parts {
    double high, low;
  };
  Parts parts(ActivationKind kind, int t, int k) const {
    const auto i = static_cast<std::size_t>(t) * static_cast<std::size_t>(view.columns) +
                   static_cast<std::size_t>(k);
    if (kind == ActivationKind::kF32) return {values[i], 0};
    const int tile = t / kTileTokens, first = tile * kTileTokens;
    const auto block = static_cast<std::size_t>(first * view.num_blocks() +
                                                k / 32 * view.tile(tile).num_rows + t - first);
    const std::size_t at = 32 * block + static_cast<std::size_t>(k % 32);
    if (kind == ActivationKind::kBF16) return {bf16_to_float(bf16[at]), 0};
    const double scale = scales[block];
    const LowBlock* l = low_of(t, k / 32);
    return {scale * high[at], l ? scale * l->values[k % 32] / low_units(view.max) : 0};
  }
  // The second plane of a row's block, or null.
  const LowBlock* low_of(int t, int block) const {
    const Activations tile = view.tile(t / kTileTokens);
    for (int i = block == 0 ? 0 : tile.low_ends[block - 1]; i < tile.low_ends[block]; ++i)
      if (tile.low[i].row == t) return tile.low + i;
    return nullptr;
  }
  double value(ActivationKind kind, int t, int k) const {
    const Parts p = parts(kind, t, k);
    return p.high + p.low;
  }
};

inline std::vector<float> multiply(const KernelTable& table, const Matrix& m,
                                   const OwnedActivations& x) {
  std::vector<float> y(static_cast<std::size_t>(x.view.num_rows) * static_cast<std::size_t>(m.rows),
                       std::numeric_limits<float>::quiet_NaN());
  for (std::size_t p = 0; p < m.panels.size(); ++p) {
    const int first = static_cast<int>(p) * kPanelRows;
    table.linear.multiply_panel[index(m.type)](
        m.panels[p].data(), x.view, std::min(kPanelRows, m.rows - first), y.data() + first, m.rows);
  }
  return y;
}

inline int columns_for(DType type, int about) {
  const int size = info(type).block_size, unit = size > 1 ? std::max(32, size) : 1;
  return std::max(unit, about / unit * unit);
}

}  // namespace pronk::kernels
