// Linear layers on float weights, by fp32 FMA; and by bf16 dot products where the CPU has them.
//
// fp32, for each output: f += g for every 32 columns, g = fma(w, x, g) from 0 in the columns'
// order; with scales f = fma(scale, g, f). So the rounding of a long row grows with columns / 32,
// and the bits depend on nothing else.
namespace pronk::kernels::PRONK_ISA {
namespace {

// A float format: kColumns columns side by side are kBytes bytes in a panel, both groups;
// weights<j> gives column j of them. Where kScaleColumns is not 0, so many columns come after a
// line of scales for each group.

struct Unscaled {
  static constexpr int kScaleColumns = 0;
};

struct F32 : Unscaled {  // [k][32]
  static constexpr int kColumns = 1, kBytes = 128;
  template <int j>
  static PRONK_INLINE Floats weights(const uint8_t* p, int group) {
    return load_floats(p + 64 * group);
  }
};

struct F16 : Unscaled {  // [k][32]
  static constexpr int kColumns = 1, kBytes = 64;
  template <int j>
  static PRONK_INLINE Floats weights(const uint8_t* p, int group) {
    return load_halfs(p + 32 * group);
  }
};

// Pairs of columns, as the bf16 dot product takes them.
struct BF16 : Unscaled {  // [k / 2][2 groups][16][2]
  static constexpr int kColumns = 2, kBytes = 128;
  template <int j>
  static PRONK_INLINE Floats weights(const uint8_t* p, int group) {
    const Ints pair = as_ints(load_line(p + 64 * group));
    return as_floats(j == 0 ? shift_left<16>(pair) : mask_bits(pair, static_cast<int>(0xffff0000)));
  }
};

// Of the numbers' bytes in the lowest bits of the lanes. The 7 bits below the sign, seen as the top
// of a float32's exponent and mantissa, are 2^120 too small; subnormals come out right as well.
PRONK_INLINE Floats f8_as_floats(Ints v) {
  const Ints rest = mask_bits(v, 127);
  const Floats magnitude = multiply(as_floats(shift_left<20>(rest)), broadcast(0x1p120f));
  const Ints value = either(as_ints(magnitude), shift_left<24>(mask_bits(v, 128)));
  return as_floats(where_equal(rest, 127, broadcast_int(0x7fc00000), value));
}

struct F8Scaled {  // [128 / 2][2 groups][16][2], after the scales
  static constexpr int kColumns = 2, kBytes = 64, kScaleColumns = 128;
  template <int j>
  static PRONK_INLINE Floats weights(const uint8_t* p, int group) {
    return f8_as_floats(shift_right(load_shorts(p + 32 * group), 8 * j));
  }
};

// parts[g][t] += the columns j.. of one step of kColumns.
template <class F, int j, int kGroups, int kTokens>
PRONK_INLINE void add_column(const uint8_t* w, const float* x, int64_t stride,
                             Floats (&parts)[kGroups][kTokens], int first_group) {
  Floats weights[kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) weights[g] = F::template weights<j>(w, first_group + g);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Floats a = broadcast(x[t * stride + j]);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) parts[g][t] = fused(weights[g], a, parts[g][t]);
  }
}

template <class F, int kGroups, int kTokens>
void multiply_tile_f32(const uint8_t* panel, int first_group, const float* x, int columns,
                       int num_rows, float* y, int64_t y_stride) {
  Floats out[kGroups][kTokens];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) out[g][t] = zero_floats();
  }
  const uint8_t* scales = panel + 64 * first_group;
  for (int k = 0; k < columns; k += kActivationBlock) {
    if constexpr (F::kScaleColumns > 0) {
      if (k % F::kScaleColumns == 0) {
        scales = panel + 64 * first_group;
        panel += 4 * kPanelRows;
      }
    }
    const int end = columns - k < kActivationBlock ? columns - k : kActivationBlock;
    Floats parts[kGroups][kTokens];
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) parts[g][t] = zero_floats();
    }
    for (int i = 0; i < end; i += F::kColumns, panel += F::kBytes) {
      add_column<F, 0>(panel, x + k + i, columns, parts, first_group);
      if constexpr (F::kColumns == 2) {
        if (i + 1 < end) add_column<F, 1>(panel, x + k + i, columns, parts, first_group);
      }
    }
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t)
        out[g][t] = F::kScaleColumns > 0
                        ? fused(load_floats(scales + 64 * g), parts[g][t], out[g][t])
                        : add(out[g][t], parts[g][t]);
    }
  }
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const int row = 16 * (first_group + g), rows_left = num_rows - row;
    if (rows_left <= 0) continue;
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) store(y + t * y_stride + row, out[g][t], rows_left);
  }
}

template <class F, int kTokens>
void multiply_tokens_f32(const uint8_t* panel, const float* x, int columns, int num_tokens,
                         int num_rows, float* y, int64_t y_stride) {
  if (num_tokens == kTokens) {
    for (int g = 0; g < kPanelRows / 16; g += kGroupsPerTile)
      multiply_tile_f32<F, kGroupsPerTile, kTokens>(panel, g, x, columns, num_rows, y, y_stride);
  } else if constexpr (kTokens > 1) {
    multiply_tokens_f32<F, kTokens - 1>(panel, x, columns, num_tokens, num_rows, y, y_stride);
  }
}

// LinearKernels::multiply_panel of a float type with fp32 activations.
template <class F>
void multiply_panel_f32(const void* panel, const Activations& x, int num_rows, float* y,
                        int64_t y_stride) {
  for (int t = 0; t < x.num_rows; t += kTokensPerFloatTile) {
    const int num_tokens =
        x.num_rows - t < kTokensPerFloatTile ? x.num_rows - t : kTokensPerFloatTile;
    multiply_tokens_f32<F, kTokensPerFloatTile>(
        static_cast<const uint8_t*>(panel), x.f32 + static_cast<int64_t>(t) * x.columns, x.columns,
        num_tokens, num_rows, y + t * y_stride, y_stride);
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
