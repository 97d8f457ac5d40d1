// The integer tile: the rows of one panel times tokens.
//
// For each block of 32 columns and each output, in this order:
//   i = Σ high · q − 2^kOffsetShift · Σ high                           exact, int32
//   one scale:   f = fma(scale · t, float(i), f)
//   two scales:  f = fma(t, fma(scale1, float(i1), scale0 · float(i0)), f)     i0, i1: 16 columns
//   each with mins:   then f = fma(min, scaled sum of x, f) for each half
// and where a token stands out the same with low, t · kLowUnit and without mins, into an output of
// its own, l. The result is f + l, and that is all there is to its bits. t is the activation
// block's scale.
//
// A block's weights are unpacked once, into registers where there are enough, and stay there while
// token after token goes by. Where there are not (kTokensTogether > 1), as many tokens take each
// word together.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr float kLowUnit = 1.0f / 254;

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

constexpr bool kBlockInRegisters = kTokensTogether == 1;

template <class F>
struct Scales {
  Floats scales[kGroupsPerTile][F::kScales];
  Floats mins[kGroupsPerTile][F::kScales];
};

// 32 columns of kGroupsPerTile groups of rows, whose words are unpacked where they are needed.
template <class F>
struct PackedWeights : Scales<F> {
  const uint8_t* lines[kGroupsPerTile];
  const uint8_t* ahead;

  template <int j>
  PRONK_INLINE Line word(int g) const {
    if (g == 0) prefetch_word<F, j>(ahead);
    return F::template weights<j>(lines[g]);
  }
};

// The same, unpacked.
template <class F>
struct Weights : Scales<F> {
  Line words[kGroupsPerTile][kActivationBlock / 4];

  PRONK_INLINE explicit Weights(const PackedWeights<F>& w) : Scales<F>(w) { unpack<0>(w); }

  template <int j>
  PRONK_INLINE Line word(int g) const {
    return words[g][j];
  }

 private:
  template <int j>
  PRONK_INLINE void unpack(const PackedWeights<F>& w) {
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) words[g][j] = w.template word<j>(g);
    if constexpr (j + 1 < kActivationBlock / 4) unpack<j + 1>(w);
  }
};

// Goes over a panel, 32 columns after 32.
template <class F>
struct PanelReader {
  const uint8_t* block;
  int first_group;
  int64_t ahead;  // bytes
  int sub = F::kSubBlocks;
  typename F::Head heads[kGroupsPerTile] = {};

  PRONK_INLINE PanelReader(const uint8_t* panel, int group, int64_t prefetch_bytes)
      : block(panel - F::kBytes),
        first_group(group),
        ahead(group == 0 ? prefetch_bytes : 0) {}  // once for all groups

  PRONK_INLINE PackedWeights<F> next() {
    if (sub == F::kSubBlocks) {
      sub = 0;
      block += F::kBytes;
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g) heads[g] = F::read_head(block, first_group + g);
    }
    PackedWeights<F> out;
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      out.lines[g] = F::lines(block, sub, first_group + g);
      PRONK_UNROLL
      for (int h = 0; h < F::kScales; ++h) {
        out.scales[g][h] = F::scale(heads[g], sub, h);
        if constexpr (F::kHasMin) out.mins[g][h] = F::min(heads[g], sub, h);
      }
    }
    out.ahead = block + sub * (F::kBytes / F::kSubBlocks) + ahead;
    ++sub;
    return out;
  }
};

// The tokens of a tile of activations, 32 columns after 32.
template <class F>
struct TileTokens {
  const int8_t* values[2];  // high, low
  const int32_t* negated_sums[2][F::kScales];
  const float* scales;
  const float* scaled_sums[F::kScales];
  const uint16_t* stands_out;
  int count;
  int64_t at = 0;  // of these 32 columns' first token

  TileTokens() = default;
  PRONK_INLINE explicit TileTokens(const Activations& tile)
      : values{tile.high, tile.low},
        scales(tile.scales),
        stands_out(tile.stands_out),
        count(tile.num_rows) {
    for (int h = 0; h < F::kScales; ++h) {
      const int which = F::kScales == 1 ? 2 : h;  // the sums of all 32, or of each half
      const int64_t first = int64_t{which} * tile.num_blocks() * tile.num_rows;
      negated_sums[0][h] = tile.negated_high + first;
      negated_sums[1][h] = tile.negated_low + first;
      scaled_sums[h] = tile.scaled_sums + first;
    }
  }

  PRONK_INLINE void next() {
    at += count;
    stands_out += 1;
  }
};

// Outputs of a token in kGroupsPerTile groups of rows.
using Outputs = Floats[kGroupsPerTile];

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
    const Floats t_scale = broadcast(kLow ? scale * kLowUnit : scale);
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

// The first planes of tokens t to end, kTokensTogether at once.
template <class F, int kTokens = kTokensTogether>
PRONK_INLINE void add_first_planes(const Weights<F>& w, const TileTokens<F>& x, int t, int end,
                                   Outputs* out) {
  PRONK_NO_UNROLL
  for (; t + kTokens <= end; t += kTokens) add_tokens<F, false, kTokens>(w, x, t, out);
  if constexpr (kTokens > 1) add_first_planes<F, kTokens - 1>(w, x, t, end, out);
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

template <class F>
PRONK_INLINE auto for_few_tokens(const PackedWeights<F>& w) {
  if constexpr (kBlockInRegisters)
    return Weights<F>(w);
  else
    return w;  // all tokens take a word together, so it is needed once
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
  for (int left = all.num_blocks(); left > 0; --left) {
    const Weights<F> w(reader.next());
    for (int i = 0; i < num_tiles; ++i) {
      const TileTokens<F> x = tiles[i];
      add_first_planes(w, x, 0, x.count, high[i]);
      for (unsigned rest = *x.stands_out; __builtin_expect(rest != 0, 0); rest &= rest - 1) {
        add_tokens<F, true, 1>(w, x, __builtin_ctz(rest), low[i]);
      }
      tiles[i].next();
    }
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
