// The integer tile: 16 or 32 rows of one panel times a few tokens.
//
// For each block of 32 columns and each output, in this order:
//   i = multiplier · Σ high · q + Σ low · q − 2^kOffsetShift · Σ x     exact, int32
//   one scale:   f = fma(scale · t, float(i), f)
//   two scales:  f = fma(t, fma(scale1, float(i1), scale0 · float(i0)), f)     i0, i1: 16 columns
//   each with mins:   then f = fma(min, scaled sum of x, f) for each half
// which is all there is to the result's bits. t is the activation block's scale.
namespace pronk::kernels::PRONK_ISA {
namespace {

// Rows t0.. of the activations, seen from one tile.
struct TileInput {
  const int8_t* high;
  const int8_t* low;
  const float* scales;
  const ActivationBlock* blocks;
  const uint8_t* stands_out;
  int64_t num_blocks;  // of a row
  int64_t num_tokens;  // from one block to the next

  const int8_t* plane(const int8_t* p, int b) const {
    return p + b * num_tokens * kActivationBlock;
  }
};

// How far ahead of the products a panel is asked for from memory. The last panel of a matrix asks
// for what lies behind it, which costs nothing where nothing is.
constexpr int64_t kPrefetchBytes = 3072;

template <int kBytes>
PRONK_INLINE void prefetch(const uint8_t* p) {
  PRONK_UNROLL
  for (int i = 0; i < kBytes; i += 64) __builtin_prefetch(p + kPrefetchBytes + i, 0, 2);
}

// A word's share of the lines that a block of 32 columns takes: asked for all at once, they make
// the core wait.
template <class F, int j>
PRONK_INLINE void prefetch_word(const uint8_t* ahead) {
  constexpr int kLines = F::kBytes / F::kSubBlocks / 64;
  PRONK_UNROLL
  for (int i = j * kLines / 8; i < (j + 1) * kLines / 8; ++i)
    __builtin_prefetch(ahead + 64 * i, 0, 2);
}

// sums[g][t] += Σ of columns 4j..4j+3, weights of group g times activations of token t.
template <class F, int j, int kGroups, int kTokens>
PRONK_INLINE void add_word(const uint8_t* const (&lines)[kGroups], const int8_t* x,
                           const uint8_t* ahead, Ints (&sums)[kGroups][kTokens]) {
  prefetch_word<F, j>(ahead);
  Line w[kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) w[g] = F::template weights<j>(lines[g]);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Word a = load_word(x + t * kActivationBlock + 4 * j);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = dot<F::kBits>(sums[g][t], w[g], a);
  }
}

// All 32 columns, or the half of 16 that kPart says (0 or 1; -1: all).
template <class F, int kPart, int kGroups, int kTokens>
PRONK_INLINE void add_part(const uint8_t* const (&lines)[kGroups], const int8_t* x,
                           const uint8_t* ahead, Ints (&sums)[kGroups][kTokens]) {
  if constexpr (kPart == -1) {  // the two nibbles of a line one after the other
    add_word<F, 0>(lines, x, ahead, sums);
    add_word<F, 4>(lines, x, ahead, sums);
    add_word<F, 1>(lines, x, ahead, sums);
    add_word<F, 5>(lines, x, ahead, sums);
    add_word<F, 2>(lines, x, ahead, sums);
    add_word<F, 6>(lines, x, ahead, sums);
    add_word<F, 3>(lines, x, ahead, sums);
    add_word<F, 7>(lines, x, ahead, sums);
  } else {
    add_word<F, 4 * kPart>(lines, x, ahead, sums);
    add_word<F, 4 * kPart + 1>(lines, x, ahead, sums);
    add_word<F, 4 * kPart + 2>(lines, x, ahead, sums);
    add_word<F, 4 * kPart + 3>(lines, x, ahead, sums);
  }
}

// −2^kOffsetShift · Σ x of one token's block or half block: what unsigned weights count too much.
template <class F, int kPart>
PRONK_INLINE Ints offset_of(const ActivationBlock& x) {
  if constexpr (F::kOffsetShift < 0) return zero_ints();
  constexpr int kShift = F::kOffsetShift < 0 ? 0 : F::kOffsetShift;
  return broadcast_shifted<kShift>(kPart == -1 ? x.negated_sum
                                               : x.negated_sums[kPart == 1 ? 1 : 0]);
}

// The exact integers of one block. `two_planes`: whether any of the tile's tokens stands out here;
// for those that do not, the low plane is zeros and the multiplier 1.
template <class F, int kPart, int kGroups, int kTokens>
PRONK_INLINE void integer_sums(const uint8_t* const (&lines)[kGroups], const TileInput& in, int b,
                               bool two_planes, const uint8_t* ahead,
                               Ints (&sums)[kGroups][kTokens]) {
  const ActivationBlock* x = in.blocks + b * in.num_tokens;
  if (__builtin_expect(two_planes, 0)) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g) sums[g][t] = zero_ints();
    }
    add_part<F, kPart>(lines, in.plane(in.high, b), ahead, sums);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const ActivationBlock& of_token = x[t];
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g)
        sums[g][t] = add(multiply(sums[g][t], of_token.multiplier), offset_of<F, kPart>(of_token));
    }
    add_part<F, kPart>(lines, in.plane(in.low, b), ahead, sums);
  } else {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Ints start = offset_of<F, kPart>(x[t]);
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g) sums[g][t] = start;
    }
    add_part<F, kPart>(lines, in.plane(in.high, b), ahead, sums);
  }
}

// One block of 32 columns into the outputs.
template <class F, int kGroups, int kTokens>
PRONK_INLINE void fold_block(const uint8_t* block, int sub,
                             const typename F::Head (&heads)[kGroups], int first_group,
                             const TileInput& in, int b, const uint8_t* ahead,
                             Floats (&out)[kGroups][kTokens]) {
  bool two_planes = false;
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) two_planes |= in.stands_out[b * in.num_tokens + t] != 0;
  const uint8_t* lines[kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) lines[g] = F::lines(block, sub, first_group + g);

  if constexpr (F::kScales == 1) {
    Ints sums[kGroups][kTokens];
    integer_sums<F, -1>(lines, in, b, two_planes, ahead, sums);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const Floats scale = F::scale(heads[g], sub, 0);
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        const Floats both = multiply(scale, broadcast(in.scales[b * in.num_tokens + t]));
        out[g][t] = fused(both, to_floats(sums[g][t]), out[g][t]);
      }
    }
  } else {
    Ints sums[kGroups][kTokens];
    Floats halves[kGroups][kTokens];
    integer_sums<F, 0>(lines, in, b, two_planes, ahead, sums);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const Floats scale = F::scale(heads[g], sub, 0);
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) halves[g][t] = multiply(scale, to_floats(sums[g][t]));
    }
    integer_sums<F, 1>(lines, in, b, two_planes, ahead, sums);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const Floats scale = F::scale(heads[g], sub, 1);
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        halves[g][t] = fused(scale, to_floats(sums[g][t]), halves[g][t]);
        out[g][t] = fused(broadcast(in.scales[b * in.num_tokens + t]), halves[g][t], out[g][t]);
      }
    }
  }
  if constexpr (F::kHasMin) {
    PRONK_UNROLL
    for (int half = 0; half < F::kScales; ++half) {
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g) {
        const Floats min = F::min(heads[g], sub, half);
        PRONK_UNROLL
        for (int t = 0; t < kTokens; ++t) {
          const ActivationBlock& x = in.blocks[b * in.num_tokens + t];
          const float sum = F::kScales == 1 ? x.scaled_sum : x.scaled_sums[half];
          out[g][t] = fused(min, broadcast(sum), out[g][t]);
        }
      }
    }
  }
}

// Groups first_group.. of the panel times kTokens tokens; y[t · y_stride + 16 g + row].
template <class F, int kGroups, int kTokens>
void multiply_tile(const uint8_t* panel, int first_group, const TileInput& in, int num_rows,
                   float* y, int64_t y_stride) {
  Floats out[kGroups][kTokens];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) out[g][t] = zero_floats();
  }
  const int num_blocks = static_cast<int>(in.num_blocks);
  const int64_t ahead = first_group == 0 ? kPrefetchBytes : 0;  // once for all groups
  for (int b = 0; b < num_blocks; b += F::kSubBlocks, panel += F::kBytes) {
    typename F::Head heads[kGroups];
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) heads[g] = F::read_head(panel, first_group + g);
    for (int sub = 0; sub < F::kSubBlocks; ++sub)
      fold_block<F>(panel, sub, heads, first_group, in, b + sub,
                    panel + sub * (F::kBytes / F::kSubBlocks) + ahead, out);
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
void multiply_tokens(const uint8_t* panel, const TileInput& in, int num_tokens, int num_rows,
                     float* y, int64_t y_stride) {
  if (num_tokens == kTokens) {
    for (int g = 0; g < kPanelRows / 16; g += kGroupsPerTile)
      multiply_tile<F, kGroupsPerTile, kTokens>(panel, g, in, num_rows, y, y_stride);
  } else if constexpr (kTokens > 1) {
    multiply_tokens<F, kTokens - 1>(panel, in, num_tokens, num_rows, y, y_stride);
  }
}

// LinearKernels::multiply_panel of a block type.
template <class F>
void multiply_panel(const void* panel, const Activations& all, int num_rows, float* y,
                    int64_t y_stride) {
  constexpr int kTokens = F::kScales == 2 && kTokensPerTile > 4 ? 4 : kTokensPerTile;
  for (int i = 0; i < all.num_tiles(); ++i) {
    const Activations x = all.tile(i);
    TileInput in{x.high, x.low, x.scales, x.blocks, x.stands_out, x.num_blocks(), x.num_rows};
    for (int t = 0; t < x.num_rows; t += kTokens) {
      const int num_tokens = x.num_rows - t < kTokens ? x.num_rows - t : kTokens;
      multiply_tokens<F, kTokens>(static_cast<const uint8_t*>(panel), in, num_tokens, num_rows, y,
                                  y_stride);
      y += num_tokens * y_stride;
      in.high += kTokens * kActivationBlock;
      in.low += kTokens * kActivationBlock;
      in.scales += kTokens;
      in.blocks += kTokens;
      in.stands_out += kTokens;
    }
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
