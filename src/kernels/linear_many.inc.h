// The integer tile for more tokens than kTokensPerTile: what linear_tile.inc.h computes, bit for
// bit, with less to do for each tile. A panel's scales, and the weights of some formats, are
// unpacked once for all tokens, and the blocks that stand out are taken from a list: the products
// of the first plane ask nothing of a block.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kManyTokens = 6;       // that are computed together
constexpr int kMostTileTokens = 12;  // of the activations' tiles
constexpr int kMostTiles = 16;       // that share what is unpacked
constexpr int kChunkBytes = 24576;   // of weights: all tokens of a tile, then what stands out

// A format (linear_formats.inc.h) whose weights have become bytes: lines by words of 4 columns,
// then by groups.
template <class F>
struct AsBytes : F {
  static constexpr int kBits = 8;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return load_line(lines + j * 4 * kPanelRows);
  }
};

template <class F, bool kAsBytes>
struct ReadAs {
  using Format = F;
};
template <class F>
struct ReadAs<F, true> {
  using Format = AsBytes<F>;
};

// Whether weights are unpacked first. Those that are one field of a line are as fast unpacked on
// the way.
template <class F>
constexpr bool kUnpacks = F::kTwoFields;
// Blocks whose scales stay in the L1 and L2 caches, or whose weights stay in the L1 cache.
template <class F>
constexpr int kSpanBlocks = kUnpacks<F> ? kChunkBytes / (kActivationBlock * kPanelRows) : 128;

// Outputs of a tile, or of its second planes.
struct TileOutputs {
  bool are_zero;  // whatever `of` holds
  alignas(64) float of[kMostTileTokens][kPanelRows];

  PRONK_INLINE void clear() {
    are_zero = false;
    PRONK_UNROLL
    for (int t = 0; t < kMostTileTokens; ++t) {
      PRONK_UNROLL
      for (int g = 0; g < kPanelRows / 16; ++g) store(of[t] + 16 * g, zero_floats(), 16);
    }
  }
};

PRONK_INLINE Floats scales_at(const float* p, int g, int half) {
  return load_floats(reinterpret_cast<const uint8_t*>(p + half * kPanelRows + 16 * g));
}

// The weights of 32 columns, words j and up, to where a group's lines begin.
template <class F, int j = 0>
PRONK_INLINE void unpack_words(const uint8_t* lines, uint8_t* out) {
  store_line(out + j * 4 * kPanelRows, F::template weights<j>(lines));
  if constexpr (j + 1 < kActivationBlock / 4) unpack_words<F, j + 1>(lines, out);
}

// Some blocks of a panel.
template <class F>
struct Span {
  // What its weights are read as.
  using Format = typename ReadAs<F, kUnpacks<F>>::Format;

  const uint8_t* packed;
  int first_block, num_blocks;
  alignas(64) float scales[kSpanBlocks<F>][F::kScales][kPanelRows];
  alignas(64) float mins[F::kHasMin ? kSpanBlocks<F> : 1][F::kScales][kPanelRows];
  alignas(64) uint8_t bytes[kUnpacks<F> ? kSpanBlocks<F> : 1][kActivationBlock][kPanelRows];

  PRONK_INLINE TileWeights<kGroupsPerTile> weights_of(int b) const {
    const uint8_t* block = packed + b / F::kSubBlocks * int64_t{F::kBytes};
    TileWeights<kGroupsPerTile> out;
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g)
      out.lines[g] = kUnpacks<F> ? bytes[b][0] + 64 * g : F::lines(block, b % F::kSubBlocks, g);
    return out;
  }
  const float* mins_of(int b) const { return mins[F::kHasMin ? b : 0][0]; }

  void unpack() {
    const uint8_t* block = packed;
    for (int b = 0; b < num_blocks; b += F::kSubBlocks, block += F::kBytes) {
      for (int g = 0; g < kPanelRows / 16; ++g) {
        const typename F::Head head = F::read_head(block, g);
        PRONK_UNROLL
        for (int sub = 0; sub < F::kSubBlocks; ++sub) {
          PRONK_UNROLL
          for (int h = 0; h < F::kScales; ++h) {
            store(scales[b + sub][h] + 16 * g, F::scale(head, sub, h), 16);
            if constexpr (F::kHasMin) store(mins[b + sub][h] + 16 * g, F::min(head, sub, h), 16);
          }
          if constexpr (kUnpacks<F>)
            unpack_words<F>(F::lines(block, sub, g), bytes[b + sub][0] + 64 * g);
        }
      }
    }
  }
};

// What a tile takes of one block.
template <class F>
struct ReadyScales : AllTokens<F> {
  const float* scales;
  const float* mins;

  PRONK_INLINE Floats scale(int g, int half) const { return scales_at(scales, g, half); }
  PRONK_INLINE Floats min(int g, int half) const { return scales_at(mins, g, half); }
};

// What tokens that stand out in one block take of it.
template <class F, int kTokens>
struct StandingOut {
  const float* scales;
  int tokens[kTokens];
  const int8_t* low[kTokens];  // their values

  PRONK_INLINE Floats scale(int g, int half) const { return scales_at(scales, g, half); }
  template <bool kLow>
  PRONK_INLINE float token_scale(const TileInput& in, int64_t at, int t) const {
    return token_scale_of<kLow>(in, at, tokens[t]);
  }
  template <bool kLow, int kPart>
  PRONK_INLINE Ints offset(const TileInput& in, int64_t at, int t) const {
    return offset_of<F, kLow, kPart>(in, at, tokens[t]);
  }
  template <bool kLow>
  PRONK_INLINE const StandingOut& values(const TileInput&, int64_t) const {
    return *this;
  }
  PRONK_INLINE const int8_t* of_token(int t) const { return low[t]; }
};

// The next panel, asked for a few lines at a time: all at once, the core would wait.
struct NextPanel {
  const uint8_t *line, *end;
  int each;  // for each block of some tokens

  PRONK_INLINE void prefetch() {
    if (line >= end) return;
    for (int i = 0; i < each; ++i, line += 64) __builtin_prefetch(line, 0, 2);
  }
};

// The span's blocks [begin, end), added to the outputs of kTokens tokens from `first` on.
template <class F, bool kLow, int kTokens>
void multiply_tokens(const Span<F>& span, int begin, int end, const TileInput& tile, int first,
                     NextPanel& next, TileOutputs& outputs) {
  constexpr int kGroups = kGroupsPerTile;
  const TileInput in = tile.from(first);
  Floats out[kTokens][kGroups];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g)
      out[t][g] = outputs.are_zero ? zero_floats() : scales_at(outputs.of[first + t], g, 0);
  }
  NextPanel ahead = next;  // in registers meanwhile
  int64_t at = in.at_block(span.first_block + begin);
  for (int b = begin; b < end; ++b, at += in.num_tokens) {
    const ReadyScales<F> s{{}, span.scales[b][0], span.mins_of(b)};
    ahead.prefetch();
    fold_block<typename Span<F>::Format, kLow>(span.weights_of(b), s, in, at, out);
  }
  next = ahead;
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) store(outputs.of[first + t] + 16 * g, out[t][g], 16);
  }
}

template <class F, bool kLow, int kTokens = kManyTokens>
void multiply_some_tokens(const Span<F>& span, int begin, int end, const TileInput& tile, int first,
                          int num_tokens, NextPanel& next, TileOutputs& outputs) {
  if constexpr (kTokens > 1)
    if (num_tokens < kTokens)
      return multiply_some_tokens<F, kLow, kTokens - 1>(span, begin, end, tile, first, num_tokens,
                                                        next, outputs);
  multiply_tokens<F, kLow, kTokens>(span, begin, end, tile, first, next, outputs);
}

// In parts as equal as can be: 7 tokens are 4 and 3, not 6 and 1.
constexpr int num_parts(int tokens) { return (tokens + kManyTokens - 1) / kManyTokens; }
template <class F, bool kLow>
void multiply_all_tokens(const Span<F>& span, int begin, int end, const TileInput& tile,
                         NextPanel& next, TileOutputs& outputs) {
  const int num_tokens = static_cast<int>(tile.num_tokens);
  for (int parts = num_parts(num_tokens), t = 0; parts > 0; --parts) {
    const int n = (num_tokens - t + parts - 1) / parts;
    multiply_some_tokens<F, kLow>(span, begin, end, tile, t, n, next, outputs);
    t += n;
  }
  outputs.are_zero = false;
}

// The second planes of kTokens tokens that stand out in block b.
template <class F, int kTokens>
void add_low(const Span<F>& span, int b, const TileInput& tile, const uint32_t* entries,
             TileOutputs& low) {
  constexpr int kGroups = kGroupsPerTile;
  StandingOut<F, kTokens> s;
  s.scales = span.scales[b][0];
  Floats out[kTokens][kGroups];
  const int64_t at = tile.at_block(span.first_block + b);
  const int8_t* low_values = tile.plane(true, at);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    s.tokens[t] = static_cast<int>(entries[t] % 16);
    s.low[t] = low_values + s.tokens[t] * kActivationBlock;
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) out[t][g] = scales_at(low.of[s.tokens[t]], g, 0);
  }
  fold_block<typename Span<F>::Format, true>(span.weights_of(b), s, tile, at, out);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) store(low.of[s.tokens[t]] + 16 * g, out[t][g], 16);
  }
}

// The same of all that stand out in the blocks before `end`; returns what is left of the list.
template <class F>
const uint32_t* multiply_standing_out(const Span<F>& span, int end, const TileInput& tile,
                                      const uint32_t* entry, const uint32_t* last,
                                      TileOutputs& low) {
  const auto end_entry = static_cast<uint32_t>(span.first_block + end) * 16;
  while (entry < last && *entry < end_entry) {
    if (low.are_zero) low.clear();
    const int b = static_cast<int>(*entry / 16) - span.first_block;
    const int64_t left = last - entry;
    const auto same = [&](int i) { return i < left && entry[i] / 16 == *entry / 16; };
    if (same(3)) {
      add_low<F, 4>(span, b, tile, entry, low);
      entry += 4;
    } else if (same(1)) {
      add_low<F, 2>(span, b, tile, entry, low);
      entry += 2;
    } else {
      add_low<F, 1>(span, b, tile, entry, low);
      entry += 1;
    }
  }
  return entry;
}

// Asks for where num_tokens tokens' outputs will be stored.
PRONK_INLINE void fetch_to_write(int num_tokens, float* y, int64_t y_stride) {
  for (int t = 0; t < num_tokens; ++t)
    for (int g = 0; g < kPanelRows / 16; ++g) __builtin_prefetch(y + t * y_stride + 16 * g, 1);
}

// What becomes of one tile while the panel passes by.
struct TileProgress {
  TileOutputs out, low;
  const uint32_t *entry, *last;  // of the list of what stands out
  bool all_low;                  // so much that the second plane is taken as a whole

  void start(const Activations& x) {
    out.are_zero = low.are_zero = true;
    entry = x.standing_out + 1;
    last = entry + x.standing_out[0];
    all_low = last - entry > x.num_blocks() * int64_t{x.num_rows} * 2 / 5;
  }

  template <class F>
  void go_over(const Span<F>& span, const TileInput& in, NextPanel& next) {
    const int num_chunks = (span.num_blocks * (F::kBytes / F::kSubBlocks) - 1) / kChunkBytes + 1;
    const int chunk = ((span.num_blocks - 1) / num_chunks + 8) / 8 * 8;
    for (int b = 0; b < span.num_blocks; b += chunk) {
      const int end = span.num_blocks - b < chunk ? span.num_blocks : b + chunk;
      multiply_all_tokens<F, false>(span, b, end, in, next, out);
      if (!all_low) entry = multiply_standing_out(span, end, in, entry, last, low);
    }
    if (all_low) multiply_all_tokens<F, true>(span, 0, span.num_blocks, in, next, low);
  }

  // y[t · y_stride + row], num_rows of them.
  PRONK_INLINE void save(int num_tokens, float* y, int64_t y_stride, int num_rows) const {
    for (int t = 0; t < num_tokens; ++t)
      for (int g = 0; g < kPanelRows / 16 && 16 * g < num_rows; ++g) {
        const Floats more = low.are_zero ? zero_floats() : scales_at(low.of[t], g, 0);
        store(y + t * y_stride + 16 * g, add(scales_at(out.of[t], g, 0), more), num_rows - 16 * g);
      }
  }
};

// The panel for some tiles.
template <class F>
void multiply_tiles_many(const uint8_t* panel, const Activations& x, NextPanel& next, int num_rows,
                         float* y, int64_t y_stride) {
  TileProgress tiles[kMostTiles];
  for (int i = 0; i < x.num_tiles(); ++i) tiles[i].start(x.tile(i));
  const int num_blocks = x.num_blocks();
  Span<F> span;
  for (int first = 0; first < num_blocks; first += kSpanBlocks<F>) {
    span.packed = panel + first / F::kSubBlocks * int64_t{F::kBytes};
    span.first_block = first;
    span.num_blocks = num_blocks - first < kSpanBlocks<F> ? num_blocks - first : kSpanBlocks<F>;
    span.unpack();
    const bool is_last = first + kSpanBlocks<F> >= num_blocks;
    for (int i = 0; i < x.num_tiles(); ++i) {
      const Activations tile = x.tile(i);
      float* to = y + int64_t{i} * x.tile_tokens * y_stride;
      if (is_last) fetch_to_write(tile.num_rows, to, y_stride);
      tiles[i].go_over(span, TileInput(tile), next);
      if (is_last) tiles[i].save(tile.num_rows, to, y_stride, num_rows);
    }
  }
}

// LinearKernels::multiply_panel of a block type, for any number of tokens.
template <class F>
void multiply_panel_many(const void* data, const Activations& all, int num_rows, float* y,
                         int64_t y_stride) {
  static_assert(kGroupsPerTile * 16 == kPanelRows);
  if (all.num_rows <= kTokensPerTile) return multiply_panel<F>(data, all, num_rows, y, y_stride);
  const int num_blocks = all.num_blocks();
  const int64_t panel_bytes = num_blocks / F::kSubBlocks * int64_t{F::kBytes};
  const auto* panel = static_cast<const uint8_t*>(data);
  const int64_t visits = all.num_tiles() * int64_t{num_blocks} *
                         num_parts(all.num_rows < kMostTileTokens ? all.num_rows : kMostTileTokens);
  NextPanel next{panel + panel_bytes, panel + 2 * panel_bytes,
                 static_cast<int>((panel_bytes / 64 + visits - 1) / visits)};
  for (int i = 0; i < all.num_tiles(); i += kMostTiles) {
    const Activations some = all.tiles(i, kMostTiles);
    multiply_tiles_many<F>(panel, some, next, num_rows, y, y_stride);
    y += some.num_rows * y_stride;
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
