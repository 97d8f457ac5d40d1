// The integer tile for many tokens: what linear_tile.inc.h computes, bit for bit, with less to do
// for each tile. A panel's scales are unpacked once for all tokens, and the blocks that stand out
// are taken from a list: the products of the first plane ask nothing of a block.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kLeastManyTokens = 7;
constexpr int kSpanBlocks = 128;     // 4096 columns, whose scales stay in the L1 and L2 caches
constexpr int kChunkBytes = 24576;   // of a panel: all tokens of a tile, then what stands out
constexpr int kMostTileTokens = 12;  // of the activations' tiles
constexpr int kMostTiles = 16;       // that share unpacked scales
// Tokens computed together: sums and outputs, or sums, first halves and outputs, in 24 registers.
template <class F>
constexpr int kManyTokens = F::kScales == 1 ? 6 : 4;

// Outputs of a tile, or of its second planes.
struct TileOutputs {
  bool are_zero = true;  // whatever `of` holds
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

// The scales of a panel's columns of one span.
template <class F>
struct SpanScales {
  alignas(64) float scales[kSpanBlocks][F::kScales][kPanelRows];
  alignas(64) float mins[F::kHasMin ? kSpanBlocks : 1][F::kScales][kPanelRows];

  void unpack(const uint8_t* panel, int num_blocks) {
    for (int b = 0; b < num_blocks; b += F::kSubBlocks, panel += F::kBytes) {
      for (int g = 0; g < kPanelRows / 16; ++g) {
        const typename F::Head head = F::read_head(panel, g);
        PRONK_UNROLL
        for (int sub = 0; sub < F::kSubBlocks; ++sub) {
          PRONK_UNROLL
          for (int h = 0; h < F::kScales; ++h) {
            store(scales[b + sub][h] + 16 * g, F::scale(head, sub, h), 16);
            if constexpr (F::kHasMin) store(mins[b + sub][h] + 16 * g, F::min(head, sub, h), 16);
          }
        }
      }
    }
  }
};

// A panel's columns of one span.
template <class F>
struct Span {
  const uint8_t* panel;  // at the span's first block
  int first_block, num_blocks;
  SpanScales<F> scales;

  const uint8_t* lines(int b, int group) const {
    return F::lines(panel + b / F::kSubBlocks * int64_t{F::kBytes}, b % F::kSubBlocks, group);
  }
  const float* mins(int b) const { return scales.mins[F::kHasMin ? b : 0][0]; }
};

PRONK_INLINE Floats scales_at(const float* p, int g, int half) {
  return load_floats(reinterpret_cast<const uint8_t*>(p + half * kPanelRows + 16 * g));
}

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
  alignas(64) int8_t values[kTokens][kActivationBlock];

  PRONK_INLINE Floats scale(int g, int half) const { return scales_at(scales, g, half); }
  template <bool kLow>
  PRONK_INLINE float token_scale(const TileInput& in, int b, int t) const {
    return token_scale_of<kLow>(in, b, tokens[t]);
  }
  template <bool kLow, int kPart>
  PRONK_INLINE Ints offset(const TileInput& in, int b, int t) const {
    return offset_of<F, kLow, kPart>(in, b, tokens[t]);
  }
  template <bool kLow>
  PRONK_INLINE const int8_t* plane(const TileInput&, int) const {
    return values[0];
  }
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
void multiply_blocks(const Span<F>& span, int begin, int end, const TileInput& tile, int first,
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
  for (int b = begin; b < end; ++b) {
    const ReadyScales<F> s{{}, span.scales.scales[b][0], span.mins(b)};
    TileWeights<kGroups> w;
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) w.lines[g] = span.lines(b, g);
    next.prefetch();
    fold_block<F, kLow>(w, s, in, span.first_block + b, out);
  }
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) store(outputs.of[first + t] + 16 * g, out[t][g], 16);
  }
}

template <class F, bool kLow, int kTokens = kManyTokens<F>>
void multiply_some_blocks(const Span<F>& span, int begin, int end, const TileInput& tile, int first,
                          int num_tokens, NextPanel& next, TileOutputs& outputs) {
  if constexpr (kTokens > 1)
    if (num_tokens < kTokens)
      return multiply_some_blocks<F, kLow, kTokens - 1>(span, begin, end, tile, first, num_tokens,
                                                        next, outputs);
  multiply_blocks<F, kLow, kTokens>(span, begin, end, tile, first, next, outputs);
}

// In parts as equal as can be: 7 tokens are 4 and 3, not 6 and 1.
template <class F>
constexpr int num_parts(int tokens) {
  return (tokens + kManyTokens<F> - 1) / kManyTokens<F>;
}
template <class F, bool kLow>
void multiply_all_tokens(const Span<F>& span, int begin, int end, const TileInput& tile,
                         NextPanel& next, TileOutputs& outputs) {
  const int num_tokens = static_cast<int>(tile.num_tokens);
  for (int parts = num_parts<F>(num_tokens), t = 0; parts > 0; --parts) {
    const int n = (num_tokens - t + parts - 1) / parts;
    multiply_some_blocks<F, kLow>(span, begin, end, tile, t, n, next, outputs);
    t += n;
  }
  outputs.are_zero = false;
}

// The second planes of kTokens tokens that stand out in the span's block b.
template <class F, int kTokens>
void add_low(const Span<F>& span, int b, const TileInput& tile, const uint32_t* entries,
             TileOutputs& low) {
  constexpr int kGroups = kGroupsPerTile;
  StandingOut<F, kTokens> s;
  s.scales = span.scales.scales[b][0];
  TileWeights<kGroups> w;
  PRONK_UNROLL
  for (int g = 0; g < kGroups; ++g) w.lines[g] = span.lines(b, g);
  Floats out[kTokens][kGroups];
  const int8_t* values = tile.plane(true, span.first_block + b);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    s.tokens[t] = static_cast<int>(entries[t] % 16);
    memcpy(s.values[t], values + s.tokens[t] * kActivationBlock, kActivationBlock);
    PRONK_UNROLL
    for (int g = 0; g < kGroups; ++g) out[t][g] = scales_at(low.of[s.tokens[t]], g, 0);
  }
  fold_block<F, true>(w, s, tile, span.first_block + b, out);
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
  const uint32_t end_entry = static_cast<uint32_t>(span.first_block + end) * 16;
  if (low.are_zero && entry < last) low.clear();
  while (entry < last && *entry < end_entry) {
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

// The first entry of a list for block b or a later one.
PRONK_INLINE const uint32_t* first_entry(const uint32_t* begin, const uint32_t* end, int b) {
  while (begin < end) {
    const uint32_t* middle = begin + (end - begin) / 2;
    if (*middle < static_cast<uint32_t>(16 * b))
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

// Where a tile's results go: y[t · y_stride + row], num_rows of them.
struct Results {
  float* y;
  int64_t y_stride;
  int num_rows;

  PRONK_INLINE void load(int num_tokens, TileOutputs& out) const {
    out.are_zero = false;
    for (int t = 0; t < num_tokens; ++t)
      for (int g = 0; g < kPanelRows / 16; ++g)
        store(out.of[t] + 16 * g, load_first(y + t * y_stride + 16 * g, num_rows - 16 * g), 16);
  }
  PRONK_INLINE void save(int num_tokens, const TileOutputs& out) const {
    store_sums(num_tokens, out, [](int, int) { return zero_floats(); });
  }
  PRONK_INLINE void save(int num_tokens, const TileOutputs& out, const TileOutputs& low) const {
    store_sums(num_tokens, out, [&](int t, int g) { return scales_at(low.of[t], g, 0); });
  }

 private:
  template <class More>
  PRONK_INLINE void store_sums(int num_tokens, const TileOutputs& out, const More& more) const {
    for (int t = 0; t < num_tokens; ++t)
      for (int g = 0; g < kPanelRows / 16 && 16 * g < num_rows; ++g)
        store(y + t * y_stride + 16 * g, add(scales_at(out.of[t], g, 0), more(t, g)),
              num_rows - 16 * g);
  }
};

// One span of one tile.
template <class F>
void multiply_span(const Span<F>& span, const Activations& x, NextPanel& next, const Results& to,
                   TileOutputs& low) {
  const TileInput in(x);
  const int end = span.first_block + span.num_blocks;
  const bool is_first = span.first_block == 0, is_last = end == x.num_blocks();
  const uint32_t* entry = x.standing_out + 1;
  const uint32_t* last = entry + x.standing_out[0];
  if (!is_first) entry = first_entry(entry, last, span.first_block);
  if (!is_last) last = first_entry(entry, last, end);
  const bool all_low = last - entry > span.num_blocks * int64_t{x.num_rows} * 2 / 5;
  const int num_chunks = (span.num_blocks * (F::kBytes / F::kSubBlocks) - 1) / kChunkBytes + 1;
  const int chunk = ((span.num_blocks - 1) / num_chunks + 8) / 8 * 8;
  TileOutputs out;
  if (!is_first) to.load(x.num_rows, out);
  for (int b = 0; b < span.num_blocks; b += chunk) {
    const int chunk_end = span.num_blocks - b < chunk ? span.num_blocks : b + chunk;
    multiply_all_tokens<F, false>(span, b, chunk_end, in, next, out);
    if (!all_low) entry = multiply_standing_out<F>(span, chunk_end, in, entry, last, low);
  }
  if (all_low) {
    NextPanel nothing{nullptr, nullptr, 0};
    multiply_all_tokens<F, true>(span, 0, span.num_blocks, in, nothing, low);
  }
  if (is_last && !low.are_zero)
    to.save(x.num_rows, out, low);
  else
    to.save(x.num_rows, out);
}

// LinearKernels::multiply_panel of a block type, for any number of tokens.
template <class F>
void multiply_panel_many(const void* data, const Activations& all, int num_rows, float* y,
                         int64_t y_stride) {
  static_assert(kGroupsPerTile * 16 == kPanelRows);
  if (all.num_rows < kLeastManyTokens) return multiply_panel<F>(data, all, num_rows, y, y_stride);
  const int num_blocks = all.num_blocks();
  const int64_t panel_bytes = num_blocks / F::kSubBlocks * int64_t{F::kBytes};
  const auto* panel = static_cast<const uint8_t*>(data);
  const int64_t visits =
      all.num_tiles() * int64_t{num_blocks} *
      num_parts<F>(all.num_rows < kMostTileTokens ? all.num_rows : kMostTileTokens);
  NextPanel next{panel + panel_bytes, panel + 2 * panel_bytes,
                 static_cast<int>((panel_bytes / 64 + visits - 1) / visits)};
  for (int first_tile = 0; first_tile < all.num_tiles(); first_tile += kMostTiles) {
    const Activations some = all.tiles(first_tile, kMostTiles);
    TileOutputs low[kMostTiles];
    for (int first = 0; first < num_blocks; first += kSpanBlocks) {
      Span<F> span;
      span.panel = panel + first / F::kSubBlocks * int64_t{F::kBytes};
      span.first_block = first;
      span.num_blocks = num_blocks - first < kSpanBlocks ? num_blocks - first : kSpanBlocks;
      span.scales.unpack(span.panel, span.num_blocks);
      float* to = y;
      for (int i = 0; i < some.num_tiles(); ++i) {
        const Activations x = some.tile(i);
        multiply_span(span, x, next, {to, y_stride, num_rows}, low[i]);
        to += x.num_rows * y_stride;
      }
    }
    y += some.num_rows * y_stride;
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
