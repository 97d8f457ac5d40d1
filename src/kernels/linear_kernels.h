// Linear layers: y[T, rows] = x[T, columns] · W[rows, columns]ᵀ with W in any stored type. C
// headers only (see kernel_table.h).
//
// Weights are packed in panels of 32 rows (kernels/pack.h); one call computes one panel for all T
// rows of activations, and the caller splits the panels over threads. Every output is one chain of
// operations in the order of the columns, so its bits do not depend on T, on the rows beside it, on
// the split over threads; and for block types (all but F32, F16, BF16 and both FP8) times integers
// not on the instruction set either.
#pragma once
#include <stdint.h>

#include "kernels/tuning.h"

namespace pronk::kernels {

inline constexpr int kPanelRows = 32;
inline constexpr int kActivationBlock = 32;  // columns that share one activation scale
// Tokens whose activations stand together, block by block: what is read at once is one stream,
// whose lines do not fall on each other in a cache as those of rows do whose length is a power of
// two.
inline constexpr int kTileTokens = 16;
inline constexpr int kNumWeightTypes = 18;  // DType's values, in its order

// What is kept of the sum of a block's columns 0-15, of columns 16-31, and of all 32.
inline constexpr int kBlockSums = 3;
// Where pairs of columns are multiplied (linear_pairs.inc.h), what the sums of a block start with:
// those of unsigned weights, and of weights less half their range.
inline constexpr int kPairStarts = 2;

// A block of 32 activations x stands as integers: x ≈ scale · (high + low / low_units(max)), scale
// = max|x| / max. In a block that does not stand out in its row low is all zeros; in one that does,
// both together have about 16 bits. A block with a NaN or an infinity has a NaN scale and zeros.
// max is LinearKernels::activation_max of the weights' type: kActivationMax, or 112 beside weights
// of 5 bits. Their sum with a weight has 8 bits then (linear_pairs.inc.h).
inline constexpr int kActivationMax = 120;
constexpr int low_units(int max) { return 2 * max; }

// Which blocks of a row stand out: those whose scale² is over stands_out(max) times the row's mean
// scale² (kFast), or all of them (kHigh). Depends on nothing but the row. More do where a smaller
// max makes steps wider, so that replies are as near to the exact ones.
constexpr double stands_out(int max) { return max == kActivationMax ? 2.5 : 2.0; }
enum class SecondPlane : uint8_t { kFast, kHigh };

// The second plane of a token's block that stands out, with all that its products need, on a line
// of its own in the caches. Those of a tile of tokens stand one after the other, by block and then
// by token: few blocks have one, and whoever goes over them reads a stream.
struct alignas(64) LowBlock {
  int8_t values[kActivationBlock];
  int32_t negated_sums[kBlockSums];  // −Σ values
  int32_t pair_starts[kPairStarts];  // by tables with pairs
  float scale;                       // of values: the block's / low_units(max)
  int32_t row;                       // of all activations (Activations::first_row)
};

// What a weight type wants to be multiplied with.
enum class ActivationKind : uint8_t { kInt8, kBF16, kF32 };

// T rows of activations, as much of it as the kinds in use need; the rest may be null.
struct Activations {
  int num_rows = 0;
  int columns = 0;
  int first_row = 0;  // of those that these are some tiles of
  // Tiles of n = kTileTokens, the last one of those that are left, one after the other; in each:
  // kInt8: columns is a multiple of 32.
  int max = kActivationMax;         // of high and low
  int8_t* high = nullptr;           // [columns / 32, n, 32]
  LowBlock* low = nullptr;          // [columns / 32 · n], as many as there are
  int32_t* low_ends = nullptr;      // [columns / 32]: of low, those up to and with the block's
  float* scales = nullptr;          // [columns / 32, n]
  int32_t* negated_high = nullptr;  // [kBlockSums, columns / 32, n]: −Σ high
  float* scaled_sums = nullptr;     // [kBlockSums, columns / 32, n]: scale · Σ of both planes
  int32_t* pairs_high = nullptr;    // [kPairStarts, columns / 32, n], by tables with pairs
  // kBF16: [columns / 32, n, 32], the last block filled up with zeros.
  uint16_t* bf16 = nullptr;
  // kF32: [T, columns]
  const float* f32 = nullptr;

  int num_blocks() const { return (columns + kActivationBlock - 1) / kActivationBlock; }
  int num_tiles() const { return (num_rows + kTileTokens - 1) / kTileTokens; }
  // Some tiles as activations of their own: `count` from tile i on, or as many as there are.
  Activations tiles(int i, int count) const {
    const int first = i * kTileTokens, left = num_rows - first;
    const int64_t block = static_cast<int64_t>(first) * num_blocks();
    Activations out = *this;
    if (first == 0 && left <= count * kTileTokens) return out;
    out.first_row += first;
    out.num_rows = left < count * kTileTokens ? left : count * kTileTokens;
    if (high) out.high += block * kActivationBlock;
    if (low) out.low += block;
    if (low_ends) out.low_ends += int64_t{i} * num_blocks();
    if (scales) out.scales += block;
    if (negated_high) out.negated_high += block * kBlockSums;
    if (scaled_sums) out.scaled_sums += block * kBlockSums;
    if (pairs_high) out.pairs_high += block * kPairStarts;
    if (bf16) out.bf16 += block * kActivationBlock;
    if (f32) out.f32 += static_cast<int64_t>(first) * columns;
    return out;
  }
  Activations tile(int i) const { return tiles(i, 1); }
};

// Packed panels of a matrix, one after the other.
struct Panels {
  const void* data;
  int64_t panel_bytes;
  int num_rows;  // of them all; those that fill the last panel up do not count

  int count() const { return (num_rows + kPanelRows - 1) / kPanelRows; }
  const uint8_t* panel(int i) const { return static_cast<const uint8_t*>(data) + i * panel_bytes; }
  Panels some(int first, int most) const {
    const int left = num_rows - first * kPanelRows;
    return {panel(first), panel_bytes, left < most * kPanelRows ? left : most * kPanelRows};
  }
  int rows_of(int i) const {
    const int left = num_rows - i * kPanelRows;
    return left < kPanelRows ? left : kPanelRows;
  }
};

struct LinearKernels {
  // Fills high to pairs_high of one tile from x[num_rows, columns], columns a multiple of 32.
  void (*quantize_tile)(const float* x, SecondPlane rule, const Activations& out);

  // Fills row t of bf16 from x[columns]: round to nearest, ties to even; NaN stays NaN.
  void (*round_row)(const float* x, const Activations& out, int t);

  ActivationKind activation_kind[kNumWeightTypes];
  int activation_max[kNumWeightTypes];  // Activations::max, the same for all instruction sets

  // y[t · y_stride + r] = Σ_k x[t, k] · W[r, k] for the first num_rows (1-32) rows of a packed
  // panel and all t, x with the type's kind and max. One thread; nothing but y is written. Null for
  // F8_E4M3, which is packed as F8_SCALED.
  void (*multiply_panel[kNumWeightTypes])(const void* panel, const Activations& x, int num_rows,
                                          float* y, int64_t y_stride);

  // The same for weights of any type, rounded to bf16, times bf16 activations: for rows of prompts
  // (ops/batch.h), where it is faster than integers. All rows of the panels; num_bf16_panels is how
  // many a call had best get when there are many tokens. Null: not on this instruction set, or not
  // for this type. The products flush denormals.
  void (*multiply_bf16[kNumWeightTypes])(const Panels& w, const Activations& x, float* y,
                                         int64_t y_stride);
  int num_bf16_panels;

  // Limits of this instruction set on one core (kernels/calibrate.h): operations done in `rounds`
  // rounds of nothing but products.
  double (*probe_int8)(int64_t rounds);
  double (*probe_bf16)(int64_t rounds);  // of fp32 products where there are no bf16 ones
  double (*probe_f32)(int64_t rounds);
  // Reads `bytes` (a multiple of 1024) once, as fast as memory gives them.
  int32_t (*probe_read)(const void* memory, int64_t bytes);
};

}  // namespace pronk::kernels
