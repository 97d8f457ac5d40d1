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
  // Without the first t rows.
  TileInput from(int t) const {
    return {high + t * kActivationBlock,
            low + t * kActivationBlock,
            scales + t,
            blocks + t,
            stands_out + t,
            num_blocks,
            num_tokens};
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

// The weights of 32 columns, seen from one tile.
template <int kGroups>
struct TileWeights {
  const uint8_t* lines[kGroups];
  const uint8_t* ahead;  // what to ask memory for meanwhile
};

// sums[g][t] += Σ of columns 4j..4j+3, weights of group g times activations of token t.
template <class F, int j, int kGroups, int kTokens>
PRONK_INLINE void add_word(const TileWeights<kGroups>& weights, const int8_t* x,
                           Ints (&sums)[kGroups][kTokens]) {
  prefetch_word<F, j>(weights.ahead);
  Line w[kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) w[g] = F::template weights<j>(weights.lines[g]);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Word a = load_word(x + t * kActivationBlock + 4 * j);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = dot<F::kBits>(sums[g][t], w[g], a);
  }
}

// All 32 columns, or the half of 16 that kPart says (0 or 1; -1: all).
template <class F, int kPart, int kGroups, int kTokens>
PRONK_INLINE void add_part(const TileWeights<kGroups>& w, const int8_t* x,
                           Ints (&sums)[kGroups][kTokens]) {
  if constexpr (kPart == -1) {  // the two nibbles of a line one after the other
    add_word<F, 0>(w, x, sums);
    add_word<F, 4>(w, x, sums);
    add_word<F, 1>(w, x, sums);
    add_word<F, 5>(w, x, sums);
    add_word<F, 2>(w, x, sums);
    add_word<F, 6>(w, x, sums);
    add_word<F, 3>(w, x, sums);
    add_word<F, 7>(w, x, sums);
  } else {
    add_word<F, 4 * kPart>(w, x, sums);
    add_word<F, 4 * kPart + 1>(w, x, sums);
    add_word<F, 4 * kPart + 2>(w, x, sums);
    add_word<F, 4 * kPart + 3>(w, x, sums);
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

// The exact integers of one block. Two planes: some of the tile's tokens stand out here; for those
// that do not, the low plane is zeros and the multiplier 1.
template <class F, int kPart, int kPlanes, int kGroups, int kTokens>
PRONK_INLINE void integer_sums(const TileWeights<kGroups>& w, const TileInput& in, int b,
                               Ints (&sums)[kGroups][kTokens]) {
  const ActivationBlock* x = in.blocks + b * in.num_tokens;
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Ints start = kPlanes == 1 ? offset_of<F, kPart>(x[t]) : zero_ints();
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = start;
  }
  add_part<F, kPart>(w, in.plane(in.high, b), sums);
  if constexpr (kPlanes == 2) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Ints offset = offset_of<F, kPart>(x[t]);
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g)
        sums[g][t] = add(multiply(sums[g][t], x[t].multiplier), offset);
    }
    add_part<F, kPart>(w, in.plane(in.low, b), sums);
  }
}

// One block of 32 columns into the outputs, where it has one scale.
template <class F, int kPlanes, int kTokens, int kGroups>
PRONK_INLINE void fold_whole(const TileWeights<kGroups>& w,
                             const typename F::Head (&heads)[kGroups], int sub, const TileInput& in,
                             int b, Floats (*out)[kGroups]) {
  Ints sums[kGroups][kTokens];
  integer_sums<F, -1, kPlanes>(w, in, b, sums);
  const float* scales = in.scales + b * in.num_tokens;
  [[maybe_unused]] const ActivationBlock* x = in.blocks + b * in.num_tokens;
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const Floats scale = F::scale(heads[g], sub, 0);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Floats both = multiply(scale, broadcast(scales[t]));
      Floats f = fused(both, to_floats(sums[g][t]), out[t][g]);
      if constexpr (F::kHasMin) f = fused(F::min(heads[g], sub, 0), broadcast(x[t].scaled_sum), f);
      out[t][g] = f;
    }
  }
}

// The same where each half of it has a scale.
template <class F, int kPlanes, int kTokens, int kGroups>
PRONK_INLINE void fold_halves(const TileWeights<kGroups>& w,
                              const typename F::Head (&heads)[kGroups], int sub,
                              const TileInput& in, int b, Floats (*out)[kGroups]) {
  Ints sums[kGroups][kTokens];
  Floats halves[kGroups][kTokens];
  integer_sums<F, 0, kPlanes>(w, in, b, sums);
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const Floats scale = F::scale(heads[g], sub, 0);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) halves[g][t] = multiply(scale, to_floats(sums[g][t]));
  }
  integer_sums<F, 1, kPlanes>(w, in, b, sums);
  const float* scales = in.scales + b * in.num_tokens;
  [[maybe_unused]] const ActivationBlock* x = in.blocks + b * in.num_tokens;
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const Floats scale = F::scale(heads[g], sub, 1);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Floats both = fused(scale, to_floats(sums[g][t]), halves[g][t]);
      Floats f = fused(broadcast(scales[t]), both, out[t][g]);
      if constexpr (F::kHasMin) {
        f = fused(F::min(heads[g], sub, 0), broadcast(x[t].scaled_sums[0]), f);
        f = fused(F::min(heads[g], sub, 1), broadcast(x[t].scaled_sums[1]), f);
      }
      out[t][g] = f;
    }
  }
}

template <class F, int kPlanes, int kTokens, int kGroups>
PRONK_INLINE void fold_block(const TileWeights<kGroups>& w,
                             const typename F::Head (&heads)[kGroups], int sub, const TileInput& in,
                             int b, Floats (*out)[kGroups]) {
  if constexpr (F::kScales == 1)
    fold_whole<F, kPlanes, kTokens>(w, heads, sub, in, b, out);
  else
    fold_halves<F, kPlanes, kTokens>(w, heads, sub, in, b, out);
}

// Whether any of n bytes is not 0.
template <int n>
PRONK_INLINE bool any_set(const uint8_t* p) {
  if constexpr (n >= 4) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return (word != 0) | any_set<n - 4>(p + 4);
  } else if constexpr (n > 0) {
    return (*p != 0) | any_set<n - 1>(p + 1);
  } else {
    return false;
  }
}

// Apart, so that the usual block has the registers. With their address taken, the outputs lie in
// memory, for a load and a store a block, and all registers but a few are sums. Of many tokens only
// the half that has one which stands out takes both planes.
template <class F, int kTokens, int kGroups>
PRONK_APART void fold_two_planes(const TileWeights<kGroups>& w,
                                 const typename F::Head (&heads)[kGroups], int sub,
                                 const TileInput& in, int b, Floats (*out)[kGroups]) {
  constexpr int kEach = kTokens > 6 ? kTokens / 2 : kTokens;
  for (int t = 0; t < kTokens; t += kEach) {
    const TileInput half = in.from(t);
    if (any_set<kEach>(half.stands_out + b * half.num_tokens))
      fold_block<F, 2, kEach>(w, heads, sub, half, b, out + t);
    else
      fold_block<F, 1, kEach>(w, heads, sub, half, b, out + t);
  }
}

// Groups first_group.. of the panel times kTokens tokens; y[t · y_stride + 16 g + row].
template <class F, int kGroups, int kTokens>
void multiply_tile(const uint8_t* panel, int first_group, const TileInput& in, int num_rows,
                   float* y, int64_t y_stride) {
  Floats out[kTokens][kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) out[t][g] = zero_floats();
  }
  const int num_blocks = static_cast<int>(in.num_blocks);
  const int64_t ahead = first_group == 0 ? kPrefetchBytes : 0;  // once for all groups
  for (int b = 0; b < num_blocks; b += F::kSubBlocks, panel += F::kBytes) {
    typename F::Head heads[kGroups];
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) heads[g] = F::read_head(panel, first_group + g);
    for (int sub = 0; sub < F::kSubBlocks; ++sub) {
      TileWeights<kGroups> w;
      w.ahead = panel + sub * (F::kBytes / F::kSubBlocks) + ahead;
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g) w.lines[g] = F::lines(panel, sub, first_group + g);
      if (__builtin_expect(any_set<kTokens>(in.stands_out + (b + sub) * in.num_tokens), 0))
        fold_two_planes<F, kTokens>(w, heads, sub, in, b + sub, out);
      else
        fold_block<F, 1, kTokens>(w, heads, sub, in, b + sub, out);
    }
  }
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const int row = 16 * (first_group + g), rows_left = num_rows - row;
    if (rows_left <= 0) continue;
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) store(y + t * y_stride + row, out[t][g], rows_left);
  }
}

// As many tokens as a tile can take, kTokens or fewer; which it returns. Sizes that are seldom met
// and large to compile are left out.
template <class F, int kTokens>
int multiply_some(const uint8_t* panel, const TileInput& in, int num_tokens, int num_rows, float* y,
                  int64_t y_stride) {
  if constexpr (kTokens > 1) {
    constexpr int kFewer = kTokens > 8 ? 8 : kTokens > 6 ? 6 : kTokens - 1;
    if (num_tokens < kTokens)
      return multiply_some<F, kFewer>(panel, in, num_tokens, num_rows, y, y_stride);
  }
  for (int g = 0; g < kPanelRows / 16; g += kGroupsPerTile)
    multiply_tile<F, kGroupsPerTile, kTokens>(panel, g, in, num_rows, y, y_stride);
  return kTokens;
}

// LinearKernels::multiply_panel of a block type.
template <class F>
void multiply_panel(const void* panel, const Activations& all, int num_rows, float* y,
                    int64_t y_stride) {
  constexpr int kTokens = F::kScales == 2 && kTokensPerTile > 6 ? 6 : kTokensPerTile;
  for (int i = 0; i < all.num_tiles(); ++i) {
    const Activations x = all.tile(i);
    TileInput in{x.high, x.low, x.scales, x.blocks, x.stands_out, x.num_blocks(), x.num_rows};
    for (int t = 0; t < x.num_rows;) {
      const int n = multiply_some<F, kTokens>(static_cast<const uint8_t*>(panel), in,
                                              x.num_rows - t, num_rows, y, y_stride);
      t += n;
      y += n * y_stride;
      in = in.from(n);
    }
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
