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
// token after token goes by: the products of one token wait for each other, not for the next one's.
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

// 32 columns of kGroupsPerTile groups of rows.
template <class F>
struct Weights {
  Line words[kGroupsPerTile][kActivationBlock / 4];
  Floats scales[kGroupsPerTile][F::kScales];
  Floats mins[kGroupsPerTile][F::kScales];
};

template <class F, int j = 0>
PRONK_INLINE void load_words(const uint8_t* (&lines)[kGroupsPerTile], const uint8_t* ahead,
                             Weights<F>& out) {
  prefetch_word<F, j>(ahead);
  PRONK_UNROLL
  for (int g = 0; g < kGroupsPerTile; ++g) out.words[g][j] = F::template weights<j>(lines[g]);
  if constexpr (j + 1 < kActivationBlock / 4) load_words<F, j + 1>(lines, ahead, out);
}

// Goes over a panel, 32 columns after 32.
template <class F>
struct PanelReader {
  const uint8_t* block;
  int first_group;
  int64_t ahead;  // bytes
  int sub = F::kSubBlocks;
  typename F::Head heads[kGroupsPerTile];

  PRONK_INLINE PanelReader(const uint8_t* panel, int group, int64_t prefetch_bytes)
      : block(panel - F::kBytes),
        first_group(group),
        ahead(group == 0 ? prefetch_bytes : 0) {}  // once for all groups

  PRONK_INLINE Weights<F> next() {
    if (sub == F::kSubBlocks) {
      sub = 0;
      block += F::kBytes;
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g) heads[g] = F::read_head(block, first_group + g);
    }
    Weights<F> out;
    const uint8_t* lines[kGroupsPerTile];
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      lines[g] = F::lines(block, sub, first_group + g);
      PRONK_UNROLL
      for (int h = 0; h < F::kScales; ++h) {
        out.scales[g][h] = F::scale(heads[g], sub, h);
        if constexpr (F::kHasMin) out.mins[g][h] = F::min(heads[g], sub, h);
      }
    }
    load_words<F>(lines, block + sub * (F::kBytes / F::kSubBlocks) + ahead, out);
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

// Adds 32 columns of token t, its first or its second plane, to its outputs.
template <class F, bool kLow>
PRONK_INLINE void add_token(const Weights<F>& w, const TileTokens<F>& x, int t, Outputs& out) {
  constexpr int kWords = kActivationBlock / 4 / 2;  // of a half
  const int64_t at = x.at + t;
  Ints sums[kGroupsPerTile][2];
  PRONK_UNROLL
  for (int h = 0; h < 2; ++h) {
    Ints start = zero_ints();
    if constexpr (F::kOffsetShift >= 0)
      if (h < F::kScales) start = broadcast_shifted<F::kOffsetShift>(x.negated_sums[kLow][h][at]);
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) sums[g][h] = start;
  }
  const int8_t* values = x.values[kLow] + at * kActivationBlock;
  PRONK_UNROLL
  for (int j = 0; j < kWords; ++j) {
    PRONK_UNROLL
    for (int h = 0; h < 2; ++h) {
      const Word word = load_word(values + 4 * (h * kWords + j));
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g)
        sums[g][h] = dot<F::kBits>(sums[g][h], w.words[g][h * kWords + j], word);
    }
  }
  const Floats t_scale = broadcast(kLow ? x.scales[at] * kLowUnit : x.scales[at]);
  PRONK_UNROLL
  for (int g = 0; g < kGroupsPerTile; ++g) {
    if constexpr (F::kScales == 1) {
      const Ints sum = add(sums[g][0], sums[g][1]);
      out[g] = fused(multiply(w.scales[g][0], t_scale), to_floats(sum), out[g]);
    } else {
      const Floats first = multiply(w.scales[g][0], to_floats(sums[g][0]));
      out[g] = fused(t_scale, fused(w.scales[g][1], to_floats(sums[g][1]), first), out[g]);
    }
    if constexpr (F::kHasMin && !kLow) {
      PRONK_UNROLL
      for (int h = 0; h < F::kScales; ++h)
        out[g] = fused(w.mins[g][h], broadcast(x.scaled_sums[h][at]), out[g]);
    }
  }
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
  for (int left = all.num_blocks(); left > 0; --left) {
    const Weights<F> w = reader.next();
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) add_token<F, false>(w, x, t, high[t]);
    if (__builtin_expect(*x.stands_out != 0, 0)) {
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t)
        if (*x.stands_out >> t & 1) add_token<F, true>(w, x, t, low[t]);
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
    const Weights<F> w = reader.next();
    for (int i = 0; i < num_tiles; ++i) {
      const TileTokens<F> x = tiles[i];
      PRONK_NO_UNROLL
      for (int t = 0; t < x.count; ++t) add_token<F, false>(w, x, t, high[i][t]);
      for (unsigned rest = *x.stands_out; __builtin_expect(rest != 0, 0); rest &= rest - 1) {
        const int t = __builtin_ctz(rest);
        add_token<F, true>(w, x, t, low[i][t]);
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
