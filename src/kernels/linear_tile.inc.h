// The integer tile: the rows of one panel times tokens.
//
// For each block of 32 columns and each output, in this order:
//   i = Σ high · q − 2^kOffsetShift · Σ high                           exact, int32
//   one scale:   f = fma(scale · t, float(i), f)
//   two scales:  f = fma(t, fma(scale1, float(i1), scale0 · float(i0)), f)     i0, i1: 16 columns
//   each with mins:   then f = fma(min, scaled sum of x, f) for each half
// and where a token stands out the same with low, t / low_units and without mins, into an output of
// its own, l. The result is f + l, and that is all there is to its bits. t is the activation
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

// What the sums of 32 columns start with, of values whose sum, negated, this is.
template <class F>
PRONK_INLINE Ints start_of(int32_t negated_sum) {
  static_assert(!kDotTakesOffset<F::kBits> || F::kOffsetShift == F::kBits - 1);
  if constexpr (F::kOffsetShift >= 0 && !kDotTakesOffset<F::kBits>)
    return broadcast_shifted<F::kOffsetShift>(negated_sum);
  else
    return zero_ints();
}

// What token n's products in a group of rows add to f.
template <class F, class W, int kTokens>
PRONK_INLINE Floats folded(const W& w, const Products<F, kTokens>& products, int n, int g,
                           float scale, Floats f) {
  const Floats t_scale = broadcast(scale);
  if constexpr (F::kScales == 1) {
    return fused(multiply(w.scales[g][0], t_scale), to_floats(products.of_all(n, g)), f);
  } else {
    const Floats first = multiply(w.scales[g][0], to_floats(products.of_half(n, g, 0)));
    return fused(t_scale, fused(w.scales[g][1], to_floats(products.of_half(n, g, 1)), first), f);
  }
}

// Adds 32 columns of kTokens tokens from t on to their outputs.
template <class F, int kTokens, class W>
PRONK_INLINE void add_tokens(const W& w, const TileTokens<F>& x, int t, Outputs* out) {
  const int64_t at = x.at + t;
  Ints start[kTokens][F::kScales];
  PRONK_UNROLL
  for (int n = 0; n < kTokens; ++n) {
    PRONK_UNROLL
    for (int h = 0; h < F::kScales; ++h) start[n][h] = start_of<F>(x.negated_sums[h][at + n]);
  }
  Products<F, kTokens> products(start);
  products.add_words(w, x.values + at * kActivationBlock);
  PRONK_UNROLL
  for (int n = 0; n < kTokens; ++n) {
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      Floats f = folded<F>(w, products, n, g, x.scales[at + n], out[t + n][g]);
      if constexpr (F::kHasMin) {
        PRONK_UNROLL
        for (int h = 0; h < F::kScales; ++h)
          f = fused(w.mins[g][h], broadcast(x.scaled_sums[h][at + n]), f);
      }
      out[t + n][g] = f;
    }
  }
}

// The same of one token's second plane.
template <class F, class W>
PRONK_INLINE void add_second_plane(const W& w, const LowBlock& x, Outputs& out) {
  Ints start[1][F::kScales];
  PRONK_UNROLL
  for (int h = 0; h < F::kScales; ++h) start[0][h] = start_of<F>(x.negated_sums[block_sum<F>(h)]);
  Products<F, 1> products(start);
  products.add_words(w, x.values);
  PRONK_UNROLL
  for (int g = 0; g < kGroupsPerTile; ++g) out[g] = folded<F>(w, products, 0, g, x.scale, out[g]);
}

// The first planes of all tokens from t on, kTokensTogether at once.
template <class F, int kTokens = kTokensTogether>
PRONK_INLINE void add_first_planes(const Weights<F>& w, const TileTokens<F>& x, Outputs* out,
                                   int t = 0) {
  PRONK_NO_UNROLL
  for (; t + kTokens <= x.count; t += kTokens) add_tokens<F, kTokens>(w, x, t, out);
  if constexpr (kTokens > 1) add_first_planes<F, kTokens - 1>(w, x, out, t);
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
  PanelReader<F, kTokens> reader(panel, first_group);
  constexpr int kStep = kBlockInRegisters ? 1 : kTokens;
  for (int left = all.num_blocks(); left > 0; --left) {
    const auto w = for_few_tokens<F>(reader.next());
    PRONK_UNROLL
    for (int t = 0; t < kTokens; t += kStep) add_tokens<F, kStep>(w, x, t, high);
    LowBlocks::OfBlock second = x.low.next();
    if (__builtin_expect(second.count != 0, 0)) {
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        if (second.count == 0 || second.first->row != all.first_row + t) continue;
        add_second_plane<F>(w, *second.first++, low[t]);
        --second.count;
      }
    }
    x.next();
  }
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t)
    save(high + t, low + t, first_group, 1, num_rows, y + t * y_stride, y_stride);
}

// The second planes of 32 columns of all tiles, in one list: one loop goes over it, whose end alone
// the core does not foresee, and knows early.
struct LowList {
  static constexpr int kAtOnce = 4;
  const LowBlock* items[kTilesTogether * kTileTokens + kAtOnce];
  int count = 0;

  PRONK_INLINE void add(const LowBlocks::OfBlock& of_tile) {
    const LowBlock** to = items + count;
    // Few, as a rule: without a branch.
    PRONK_UNROLL
    for (int i = 0; i < kAtOnce; ++i) to[i] = of_tile.first + i;
    for (int i = kAtOnce; i < of_tile.count; ++i) to[i] = of_tile.first + i;
    count += of_tile.count;
  }
};

// Any number of tokens, in tiles: kTilesTogether of them at most.
template <class F>
void multiply_many_tokens(const uint8_t* panel, int first_group, const Activations& all,
                          int num_rows, float* y, int64_t y_stride) {
  Outputs high[kTilesTogether * kTileTokens], low[kTilesTogether * kTileTokens];
  TileTokens<F> tiles[kTilesTogether];
  const int num_tiles = all.num_tiles();
  bool any_stands_out = false;
  for (int i = 0; i < num_tiles; ++i) {
    const Activations tile = all.tile(i);
    tiles[i] = TileTokens<F>(tile);
    any_stands_out |= tile.low_ends[tile.num_blocks() - 1] != 0;
  }
  clear(all.num_rows, high);
  clear(all.num_rows, low);
  PanelReader<F, kTileTokens> reader(panel, first_group);
  OutputLines lines(y, y_stride, first_group, all);
  for (int left = all.num_blocks(); left > 0; --left) {
    lines.ask();
    LowList second;
    for (int i = 0; i < num_tiles && any_stands_out; ++i) second.add(tiles[i].low.next());
    const auto w = for_many_tokens<F>(reader.next());
    for (int i = 0; i < num_tiles; ++i) {
      add_first_planes(w, tiles[i], high + i * kTileTokens);
      tiles[i].next();
    }
    for (int i = 0; i < second.count; ++i) {
      const LowBlock& x = *second.items[i];
      add_second_plane<F>(w, x, low[x.row - all.first_row]);
    }
  }
  save(high, low, first_group, all.num_rows, num_rows, y, y_stride);
}

template <class F, int kTokens = kFewTokens>
void multiply_groups(const uint8_t* panel, int first_group, const Activations& x, int num_rows,
                     float* y, int64_t y_stride) {
  const bool better_as_pairs = kMultipliesPairs<F> && kTokens >= kTuning.pairs_from;
  if (x.num_rows == kTokens && !better_as_pairs)
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
