// The integer tile: 16 or 32 rows of one panel times a few tokens.
//
// For each block of 32 columns and each output, in this order:
//   i = Σ high · q − 2^kOffsetShift · Σ high                           exact, int32
//   one scale:   f = fma(scale · t, float(i), f)
//   two scales:  f = fma(t, fma(scale1, float(i1), scale0 · float(i0)), f)     i0, i1: 16 columns
//   each with mins:   then f = fma(min, scaled sum of x, f) for each half
// and where a token stands out the same with low, t · kLowUnit and without mins, into an output of
// its own, l. The result is f + l, and that is all there is to its bits. t is the activation
// block's scale.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr float kLowUnit = 1.0f / 254;

// Rows t0.. of the activations, seen from one tile.
struct TileInput {
  const int8_t* planes[2];  // high, low
  const int32_t* negated_sums[2];
  const float* scales;
  const float* scaled_sums;
  const uint8_t* stands_out;
  int64_t num_blocks;  // of a row
  int64_t num_tokens;  // from one block to the next

  explicit TileInput(const Activations& x)
      : planes{x.high, x.low},
        negated_sums{x.negated_high, x.negated_low},
        scales(x.scales),
        scaled_sums(x.scaled_sums),
        stands_out(x.stands_out),
        num_blocks(x.num_blocks()),
        num_tokens(x.num_rows) {}

  // Where block b's tokens begin, for the functions that take `at`.
  int64_t at_block(int b) const { return b * num_tokens; }
  const int8_t* plane(bool low, int64_t at) const { return planes[low] + at * kActivationBlock; }
  // Sum `which` of a block: 0 and 1 of its halves, 2 of all.
  template <class Number>
  const Number* sums(const Number* p, int64_t at, int which) const {
    return p + which * num_blocks * num_tokens + at;
  }
  // Without the first t rows.
  TileInput from(int t) const {
    TileInput out = *this;
    for (int low = 0; low < 2; ++low) {
      out.planes[low] += t * kActivationBlock;
      out.negated_sums[low] += t;
    }
    out.scales += t;
    out.scaled_sums += t;
    out.stands_out += t;
    return out;
  }
};

// Which of a block's sums belongs to part kPart: a half, or -1: all.
template <int kPart>
constexpr int kSumOf = kPart == -1 ? 2 : kPart;

// How far ahead of the products a panel is asked for from memory, and how near its lines are to
// come (__builtin_prefetch). The last panel of a matrix asks for what lies behind it, which costs
// nothing where nothing is. With AVX-512 one tile reads a panel once, so its lines pass by the L2
// cache; AMX has not been measured with that.
#if defined(__AVX512F__) && !defined(PRONK_AMX)
constexpr int64_t kPrefetchBytes = 6144;
constexpr int kPrefetchNear = 0;
#else
constexpr int64_t kPrefetchBytes = 3072;
constexpr int kPrefetchNear = 2;
#endif
// With more to do for each line, a tile stands still for one that is late.
constexpr int64_t prefetch_bytes(int tokens) {
  return tokens > 4 ? kPrefetchBytes * 4 / 3 : kPrefetchBytes;
}

template <int kBytes>
PRONK_INLINE void prefetch(const uint8_t* p) {
  PRONK_UNROLL
  for (int i = 0; i < kBytes; i += 64) __builtin_prefetch(p + kPrefetchBytes + i, 0, kPrefetchNear);
}

// A word's share of the lines that a block of 32 columns takes: asked for all at once, they make
// the core wait.
template <class F, int j>
PRONK_INLINE void prefetch_word(const uint8_t* ahead) {
  constexpr int kLines = F::kBytes / F::kSubBlocks / 64;
  PRONK_UNROLL
  for (int i = j * kLines / 8; i < (j + 1) * kLines / 8; ++i)
    __builtin_prefetch(ahead + 64 * i, 0, kPrefetchNear);
}

// The weights of 32 columns, seen from one tile.
template <int kGroups>
struct TileWeights {
  static constexpr bool kAsks = false;
  const uint8_t* lines[kGroups];
};
template <int kGroups>
struct AskingWeights {
  static constexpr bool kAsks = true;
  const uint8_t* lines[kGroups];
  const uint8_t* ahead;  // what to ask memory for meanwhile
};

// sums[g][t] += Σ of columns 4j..4j+3, weights of group g times activations of token t; then(t)
// after each token.
template <class F, int j, class Weights, class Values, int kGroups, int kTokens, class Then>
PRONK_INLINE void add_word(const Weights& weights, const Values& x, Ints (&sums)[kGroups][kTokens],
                           const Then& then) {
  if constexpr (Weights::kAsks) prefetch_word<F, j>(weights.ahead);
  Line w[kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) w[g] = F::template weights<j>(weights.lines[g]);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Word a = load_word(x.of_token(t) + 4 * j);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = dot<F::kBits>(sums[g][t], w[g], a);
    then(t);
  }
}

// All 32 columns, or the half of 16 that kPart says (0 or 1; -1: all); then(t) when token t's sums
// are complete.
template <class F, int kPart, class Weights, class Values, int kGroups, int kTokens, class Then>
PRONK_INLINE void add_part(const Weights& w, const Values& x, Ints (&sums)[kGroups][kTokens],
                           const Then& then) {
  constexpr auto kGoOn = [](int) {};
  if constexpr (kPart == -1) {  // the two nibbles of a line one after the other
    add_word<F, 0>(w, x, sums, kGoOn);
    add_word<F, 4>(w, x, sums, kGoOn);
    add_word<F, 1>(w, x, sums, kGoOn);
    add_word<F, 5>(w, x, sums, kGoOn);
    add_word<F, 2>(w, x, sums, kGoOn);
    add_word<F, 6>(w, x, sums, kGoOn);
    add_word<F, 3>(w, x, sums, kGoOn);
    add_word<F, 7>(w, x, sums, then);
  } else {
    add_word<F, 4 * kPart>(w, x, sums, kGoOn);
    add_word<F, 4 * kPart + 1>(w, x, sums, kGoOn);
    add_word<F, 4 * kPart + 2>(w, x, sums, kGoOn);
    add_word<F, 4 * kPart + 3>(w, x, sums, then);
  }
}

// −2^kOffsetShift · Σ x of token t's block or half block: what unsigned weights count too much.
template <class F, bool kLow, int kPart>
PRONK_INLINE Ints offset_of(const TileInput& in, int64_t at, int t) {
  constexpr int kShift = F::kOffsetShift < 0 ? 0 : F::kOffsetShift;
  if constexpr (F::kOffsetShift < 0) return zero_ints();
  return broadcast_shifted<kShift>(in.sums(in.negated_sums[kLow], at, kSumOf<kPart>)[t]);
}
template <bool kLow>
PRONK_INLINE float token_scale_of(const TileInput& in, int64_t at, int t) {
  const float scale = in.scales[at + t];
  return kLow ? scale * kLowUnit : scale;
}

// Values of a block's tokens that stand one after the other.
struct NeighbourValues {
  const int8_t* first;
  PRONK_INLINE const int8_t* of_token(int t) const { return first + t * kActivationBlock; }
};

// What is multiplied with a block's weights: all tokens of the tile, as they stand.
template <class F>
struct AllTokens {
  template <bool kLow>
  PRONK_INLINE float token_scale(const TileInput& in, int64_t at, int t) const {
    return token_scale_of<kLow>(in, at, t);
  }
  template <bool kLow, int kPart>
  PRONK_INLINE Ints offset(const TileInput& in, int64_t at, int t) const {
    return offset_of<F, kLow, kPart>(in, at, t);
  }
  template <bool kLow>
  PRONK_INLINE NeighbourValues values(const TileInput& in, int64_t at) const {
    return {in.plane(kLow, at)};
  }
};

// What a tile of few tokens takes scales from: the panel itself.
template <class F, int kGroups>
struct PackedScales : AllTokens<F> {
  typename F::Head heads[kGroups];
  int sub = 0;  // of the block's sub-blocks

  PRONK_INLINE PackedScales(const uint8_t* block, int first_group) {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) heads[g] = F::read_head(block, first_group + g);
  }
  PRONK_INLINE Floats scale(int g, int half) const { return F::scale(heads[g], sub, half); }
  PRONK_INLINE Floats min(int g, int half) const { return F::min(heads[g], sub, half); }
};

// The exact integers of one plane of one block; then(t) when those of token t are there.
template <class F, bool kLow, int kPart, class Weights, class Scales, int kGroups, int kTokens,
          class Then>
PRONK_INLINE void integer_sums(const Weights& w, const Scales& s, const TileInput& in, int64_t at,
                               Ints (&sums)[kGroups][kTokens], const Then& then) {
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const Ints start = s.template offset<kLow, kPart>(in, at, t);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) sums[g][t] = start;
  }
  add_part<F, kPart>(w, s.template values<kLow>(in, at), sums, then);
}

// One block of 32 columns into the outputs, where it has one scale. Each token is folded as soon as
// its sums are there, while the products of others go on.
template <class F, bool kLow, class Weights, class Scales, int kGroups, int kTokens>
PRONK_INLINE void fold_whole(const Weights& w, const Scales& s, const TileInput& in, int64_t at,
                             Floats (&out)[kTokens][kGroups]) {
  Ints sums[kGroups][kTokens];
  [[maybe_unused]] const float* x = in.sums(in.scaled_sums, at, kSumOf<-1>);
  integer_sums<F, kLow, -1>(w, s, in, at, sums, [&](int t) PRONK_INLINE_LAMBDA {
    const Floats token_scale = broadcast(s.template token_scale<kLow>(in, at, t));
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      Floats f = fused(multiply(s.scale(g, 0), token_scale), to_floats(sums[g][t]), out[t][g]);
      if constexpr (F::kHasMin && !kLow) f = fused(s.min(g, 0), broadcast(x[t]), f);
      out[t][g] = now(f);
    }
  });
}

// The same where each half of it has a scale.
template <class F, bool kLow, class Weights, class Scales, int kGroups, int kTokens>
PRONK_INLINE void fold_halves(const Weights& w, const Scales& s, const TileInput& in, int64_t at,
                              Floats (&out)[kTokens][kGroups]) {
  Ints sums[kGroups][kTokens];
  Floats halves[kGroups][kTokens];
  integer_sums<F, kLow, 0>(w, s, in, at, sums, [&](int t) PRONK_INLINE_LAMBDA {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g)
      halves[g][t] = now(multiply(s.scale(g, 0), to_floats(sums[g][t])));
  });
  [[maybe_unused]] const float* x[2] = {in.sums(in.scaled_sums, at, 0),
                                        in.sums(in.scaled_sums, at, 1)};
  const auto fold = [&](int t) PRONK_INLINE_LAMBDA {
    const Floats token_scale = broadcast(s.template token_scale<kLow>(in, at, t));
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const Floats both = fused(s.scale(g, 1), to_floats(sums[g][t]), halves[g][t]);
      Floats f = fused(token_scale, both, out[t][g]);
      if constexpr (F::kHasMin && !kLow) {
        f = fused(s.min(g, 0), broadcast(x[0][t]), f);
        f = fused(s.min(g, 1), broadcast(x[1][t]), f);
      }
      out[t][g] = f;
    }
  };
  // Where weights wait in the L1 cache, this order is slower (kernels.md).
  if constexpr (Weights::kAsks) {
    integer_sums<F, kLow, 1>(w, s, in, at, sums, fold);
  } else {
    integer_sums<F, kLow, 1>(w, s, in, at, sums, [](int) {});
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) fold(t);
  }
}

template <class F, bool kLow, class Weights, class Scales, int kGroups, int kTokens>
PRONK_INLINE void fold_block(const Weights& w, const Scales& s, const TileInput& in, int64_t at,
                             Floats (&out)[kTokens][kGroups]) {
  if constexpr (F::kScales == 1)
    fold_whole<F, kLow>(w, s, in, at, out);
  else
    fold_halves<F, kLow>(w, s, in, at, out);
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

// The second plane of a block, for all tokens of the tile: of those that do not stand out it is
// zeros. Apart, and by values, so that the usual block has the registers.
template <class F, int kTokens, class Weights, class Scales, int kGroups>
PRONK_APART void fold_low(Weights w, Scales s, const TileInput& in, int64_t at,
                          Floats (&low)[kTokens][kGroups]) {
  fold_block<F, true>(w, s, in, at, low);
}

// Groups first_group.. of the panel times kTokens tokens; y[t · y_stride + 16 g + row].
template <class F, int kGroups, int kTokens>
void multiply_tile(const uint8_t* panel, int first_group, const TileInput& in, int num_rows,
                   float* y, int64_t y_stride) {
  Floats out[kTokens][kGroups], low[kTokens][kGroups];
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) out[t][g] = low[t][g] = zero_floats();
  }
  const int num_blocks = static_cast<int>(in.num_blocks);
  const int64_t ahead = first_group == 0 ? prefetch_bytes(kTokens) : 0;  // once for all groups
  int64_t at = 0;
  for (int b = 0; b < num_blocks; b += F::kSubBlocks, panel += F::kBytes) {
    PackedScales<F, kGroups> s(panel, first_group);
    for (s.sub = 0; s.sub < F::kSubBlocks; ++s.sub, at += in.num_tokens) {
      AskingWeights<kGroups> w;
      w.ahead = panel + s.sub * (F::kBytes / F::kSubBlocks) + ahead;
      PRONK_UNROLL
      for (int g = 0; g < kGroups; ++g) w.lines[g] = F::lines(panel, s.sub, first_group + g);
      fold_block<F, false>(w, s, in, at, out);
      if (__builtin_expect(any_set<kTokens>(in.stands_out + at), 0))
        fold_low<F, kTokens>(w, s, in, at, low);
    }
  }
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const int row = 16 * (first_group + g), rows_left = num_rows - row;
    if (rows_left <= 0) continue;
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t)
      store(y + t * y_stride + row, add(out[t][g], low[t][g]), rows_left);
  }
}

// As many tokens as a tile can take, kTokens or fewer; which it returns.
template <class F, int kTokens>
int multiply_some(const uint8_t* panel, const TileInput& in, int num_tokens, int num_rows, float* y,
                  int64_t y_stride) {
  if constexpr (kTokens > 1) {
    if (num_tokens < kTokens)
      return multiply_some<F, kTokens - 1>(panel, in, num_tokens, num_rows, y, y_stride);
  }
  for (int g = 0; g < kPanelRows / 16; g += kGroupsPerTile)
    multiply_tile<F, kGroupsPerTile, kTokens>(panel, g, in, num_rows, y, y_stride);
  return kTokens;
}

// LinearKernels::multiply_panel of a block type.
template <class F>
void multiply_panel(const void* panel, const Activations& all, int num_rows, float* y,
                    int64_t y_stride) {
  for (int i = 0; i < all.num_tiles(); ++i) {
    const Activations x = all.tile(i);
    TileInput in(x);
    for (int t = 0; t < x.num_rows;) {
      const int n = multiply_some<F, kTokensPerTile>(static_cast<const uint8_t*>(panel), in,
                                                     x.num_rows - t, num_rows, y, y_stride);
      t += n;
      y += n * y_stride;
      in = in.from(n);
    }
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
