// The integer tile: the rows of one panel times tokens.
//
// For each block of 32 columns and each output, in this order:
//   i = Σ high · q − 2^kOffsetShift · Σ high                           exact, int32
//   one scale:   f = fma(scale · t, float(i), f)
//   two scales:  f = fma(t, fma(scale1, float(i1), scale0 · float(i0)), f)     i0, i1: 16 columns
//   each with mins:   then f = fma(min, scaled sum of x, f) for each half
// and where a token stands out the same with low, t · kLowUnit<F> and without mins, into an output
// of its own, l. The result is f + l, and that is all there is to its bits. t is the activation
// block's scale.
//
// A block's weights are unpacked once, into registers where there are enough, and stay there while
// token after token goes by. Where there are not (kTokensTogether > 1), as many tokens take each
// word together. linear_pairs.inc.h has another way to the same sums.
namespace pronk::kernels::PRONK_ISA {
namespace {

// The products of 32 columns of kTokens tokens, in a chain for each half of the columns where each
// has a scale, or where a token that is alone would wait for itself.
template <class F, int kTokens>
struct Products {
  static constexpr int kChains = F::kScales == 2 || kBlockInRegisters ? 2 : 1;
  // Words j and j + 4, which many formats read from one line, one after the other. With many
  // chains there are no registers for both.
  static constexpr bool kHalvesTogether = kChains == 1 || kTokens == 1;
  Sum sums[kTokens][kGroupsPerTile][kChains];

  // start: what to add to, of each token and scale.
  PRONK_INLINE explicit Products(const Ints (&start)[kTokens][F::kScales]) {
    PRONK_UNROLL
    for (int n = 0; n < kTokens; ++n) {
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g) {
        PRONK_UNROLL
        for (int c = 0; c < kChains; ++c)
          sums[n][g][c] = as_sum(c < F::kScales ? start[n][c] : zero_ints());
      }
    }
  }

  // values: [kTokens][32]
  template <class W, int kStep = 0>
  PRONK_INLINE void add_words(const W& w, const int8_t* values) {
    constexpr int kWords = kActivationBlock / 4;
    constexpr int j = kHalvesTogether ? kStep % 2 * kWords / 2 + kStep / 2 : kStep;
    constexpr int c = kChains == 2 ? j / (kWords / 2) : 0;
    constexpr int kInChain = kChains == 2 ? j : kStep;
    Line weights[kGroupsPerTile];
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) weights[g] = w.template word<j>(g);
    PRONK_UNROLL
    for (int n = 0; n < kTokens; ++n) {
      const Word word = load_word(values + n * kActivationBlock + 4 * j);
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g)
        dot<F::kBits, kInChain>(sums[n][g][c], weights[g], word);
    }
    if constexpr (kStep + 1 < kWords) add_words<W, kStep + 1>(w, values);
  }

  PRONK_INLINE Ints of_half(int n, int g, int half) const { return total(sums[n][g][half]); }
  PRONK_INLINE Ints of_all(int n, int g) const {
    if constexpr (kChains == 1) return of_half(n, g, 0);
    return add(of_half(n, g, 0), of_half(n, g, 1));
  }
};

// Adds 32 columns of kTokens tokens from t on, their first or second plane, to their outputs.
template <class F, bool kLow, int kTokens, class W>
PRONK_INLINE void add_tokens(const W& w, const TileTokens<F>& x, int t, Outputs* out) {
  static_assert(!kDotTakesOffset<F::kBits> || F::kOffsetShift == F::kBits - 1);
  const int64_t at = x.at + t;
  Ints start[kTokens][F::kScales];
  PRONK_UNROLL
  for (int n = 0; n < kTokens; ++n) {
    PRONK_UNROLL
    for (int h = 0; h < F::kScales; ++h) {
      start[n][h] = zero_ints();
      if constexpr (F::kOffsetShift >= 0 && !kDotTakesOffset<F::kBits>)
        start[n][h] = broadcast_shifted<F::kOffsetShift>(x.negated_sums[kLow][h][at + n]);
    }
  }
  Products<F, kTokens> products(start);
  products.add_words(w, x.values[kLow] + at * kActivationBlock);
  PRONK_UNROLL
  for (int n = 0; n < kTokens; ++n) {
    const float scale = x.scales[at + n];
    const Floats t_scale = broadcast(kLow ? scale * kLowUnit<F> : scale);
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      Floats& f = out[t + n][g];
      if constexpr (F::kScales == 1) {
        f = fused(multiply(w.scales[g][0], t_scale), to_floats(products.of_all(n, g)), f);
      } else {
        const Floats first = multiply(w.scales[g][0], to_floats(products.of_half(n, g, 0)));
        f = fused(t_scale, fused(w.scales[g][1], to_floats(products.of_half(n, g, 1)), first), f);
      }
      if constexpr (F::kHasMin && !kLow) {
        PRONK_UNROLL
        for (int h = 0; h < F::kScales; ++h)
          f = fused(w.mins[g][h], broadcast(x.scaled_sums[h][at + n]), f);
      }
    }
  }
}

// The first planes of all tokens from t on, kTokensTogether at once.
template <class F, int kTokens = kTokensTogether>
PRONK_INLINE void add_first_planes(const Weights<F>& w, const TileTokens<F>& x, Outputs* out,
                                   int t = 0) {
  PRONK_NO_UNROLL
  for (; t + kTokens <= x.count; t += kTokens) add_tokens<F, false, kTokens>(w, x, t, out);
  if constexpr (kTokens > 1) add_first_planes<F, kTokens - 1>(w, x, out, t);
}
template <class F>
PRONK_INLINE void add_second_plane(const Weights<F>& w, const TileTokens<F>& x, int t,
                                   Outputs* out) {
  add_tokens<F, true, 1>(w, x, t, out);
}

PRONK_INLINE void clear(int tokens, Outputs* out) {
  for (int t = 0; t < tokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) out[t][g] = zero_floats();
  }
}

// y[t · y_stride + row] for those of the num_rows rows of a panel that are in these groups.
PRONK_INLINE void save(const Outputs* high, const Outputs* low, int first_group, int tokens,
                       int num_rows, float* y, int64_t y_stride) {
  for (int g = 0; g < kGroupsPerTile; ++g) {
    const int row = 16 * (first_group + g);
    for (int t = 0; t < tokens && row < num_rows; ++t)
      store(y + t * y_stride + row, add(high[t][g], low[t][g]), num_rows - row);
  }
}

// Asks for the lines that outputs will be saved to, a share with each block of columns, so that
// they come while products keep the core busy.
struct OutputLines {
  const float* next;
  const float* end;
  int64_t stride;
  int share;  // tokens

  PRONK_INLINE OutputLines(const float* y, int64_t y_stride, int first_group,
                           const Activations& all)
      : next(y + 16 * first_group),
        end(next + all.num_rows * y_stride),
        stride(y_stride),
        share((all.num_rows + all.num_blocks() - 1) / all.num_blocks()) {}

  PRONK_INLINE void ask() {
    for (int i = 0; i < share && next < end; ++i, next += stride) {
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g) __builtin_prefetch(next + 16 * g, 1);
    }
  }
};

template <class F>
PRONK_INLINE auto for_few_tokens(const PackedWeights<F>& w) {
  if constexpr (kBlockInRegisters)
    return Weights<F>(w);
  else
    return w;  // all tokens take a word together, so it is needed once
}

template <class F>
PRONK_INLINE auto for_many_tokens(const PackedWeights<F>& w) {
  if constexpr (kMultipliesPairs<F>)
    return PairedWeights<F>(w);
  else
    return Weights<F>(w);
}

// kTokens tokens, whose outputs stay in registers where they fit.
template <class F, int kTokens>
void multiply_few_tokens(const uint8_t* panel, int first_group, const Activations& all,
                         int num_rows, float* y, int64_t y_stride) {
  Outputs high[kTokens], low[kTokens];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    clear(1, high + t);
    clear(1, low + t);
  }
  TileTokens<F> x(all);
  PanelReader<F> reader(panel, first_group, prefetch_bytes(kTokens));
  constexpr int kStep = kBlockInRegisters ? 1 : kTokens;
  for (int left = all.num_blocks(); left > 0; --left) {
    const auto w = for_few_tokens<F>(reader.next());
    PRONK_UNROLL
    for (int t = 0; t < kTokens; t += kStep) add_tokens<F, false, kStep>(w, x, t, high);
    if (__builtin_expect(*x.stands_out != 0, 0)) {
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t)
        if (*x.stands_out >> t & 1) add_tokens<F, true, 1>(w, x, t, low);
    }
    x.next();
  }
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t)
    save(high + t, low + t, first_group, 1, num_rows, y + t * y_stride, y_stride);
}

// The second planes of those tokens that stand out in these 32 columns. They are few: in a function
// of their own, which unpacks the weights again, they leave all registers to the first planes.
template <class F>
PRONK_APART void add_second_planes(const PackedWeights<F>& packed, const TileTokens<F>* tiles,
                                   int num_tiles, Outputs (*out)[kTileTokens]) {
  const auto w = for_many_tokens<F>(packed);
  for (int i = 0; i < num_tiles; ++i) {
    for (unsigned rest = *tiles[i].stands_out; rest != 0; rest &= rest - 1)
      add_second_plane(w, tiles[i], __builtin_ctz(rest), out[i]);
  }
}

// Any number of tokens, in tiles: kTilesTogether of them at most.
template <class F>
void multiply_many_tokens(const uint8_t* panel, int first_group, const Activations& all,
                          int num_rows, float* y, int64_t y_stride) {
  Outputs high[kTilesTogether][kTileTokens], low[kTilesTogether][kTileTokens];
  TileTokens<F> tiles[kTilesTogether];
  const int num_tiles = all.num_tiles();
  for (int i = 0; i < num_tiles; ++i) {
    tiles[i] = TileTokens<F>(all.tile(i));
    clear(tiles[i].count, high[i]);
    clear(tiles[i].count, low[i]);
  }
  PanelReader<F> reader(panel, first_group, prefetch_bytes(kTileTokens));
  OutputLines lines(y, y_stride, first_group, all);
  for (int left = all.num_blocks(); left > 0; --left) {
    lines.ask();
    const PackedWeights<F> packed = reader.next();
    const auto w = for_many_tokens<F>(packed);
    unsigned stand_out = 0;
    for (int i = 0; i < num_tiles; ++i) {
      add_first_planes(w, tiles[i], high[i]);
      stand_out |= *tiles[i].stands_out;
    }
    if (__builtin_expect(stand_out != 0, 0)) add_second_planes<F>(packed, tiles, num_tiles, low);
    for (int i = 0; i < num_tiles; ++i) tiles[i].next();
  }
  for (int i = 0; i < num_tiles; ++i, y += kTileTokens * y_stride)
    save(high[i], low[i], first_group, tiles[i].count, num_rows, y, y_stride);
}

template <class F, int kTokens = kFewTokens>
void multiply_groups(const uint8_t* panel, int first_group, const Activations& x, int num_rows,
                     float* y, int64_t y_stride) {
  if (x.num_rows == kTokens)
    return multiply_few_tokens<F, kTokens>(panel, first_group, x, num_rows, y, y_stride);
  if constexpr (kTokens > 1)
    return multiply_groups<F, kTokens - 1>(panel, first_group, x, num_rows, y, y_stride);
  multiply_many_tokens<F>(panel, first_group, x, num_rows, y, y_stride);
}

// LinearKernels::multiply_panel of a block type.
template <class F>
void multiply_panel(const void* panel, const Activations& all, int num_rows, float* y,
                    int64_t y_stride) {
  for (int i = 0; i < all.num_tiles(); i += kTilesTogether) {
    const Activations x = all.tiles(i, kTilesTogether);
    for (int g = 0; g < kPanelRows / 16; g += kGroupsPerTile)
      multiply_groups<F>(static_cast<const uint8_t*>(panel), g, x, num_rows, y, y_stride);
    y += x.num_rows * y_stride;
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
