// Block types times many rows of integers by AMX, the CPU's products of whole tiles.
//
// The same exact integers and the same chain of folds as in linear_tile.inc.h, so the same bits; a
// chunk of 256 columns of a panel is unpacked once for all tokens. While the vector units fold one
// tile of 16 rows x 16 tokens, the tile unit multiplies the next.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kGroups = kPanelRows / kTileRows;
static_assert(kTileTokens == kTileRows);
constexpr int kChunkColumns = 256, kChunkBlocks = kChunkColumns / kActivationBlock;

// Columns that are folded together: 32, or 16 where these have a scale of their own.
template <class F>
constexpr int kDepth = kActivationBlock / F::kScales;

// A chunk of a panel as the tiles want it, weights signed.
template <class F>
struct UnpackedChunk {
  alignas(64) uint8_t lines[kChunkBlocks][kGroups][8][64];
  alignas(64) float scales[kChunkBlocks][F::kScales][kPanelRows];
  alignas(64) float mins[F::kHasMin ? kChunkBlocks : 1][F::kScales][kPanelRows];
};

template <class F, int j>
PRONK_INLINE void unpack_line(const uint8_t* packed, uint8_t (&lines)[8][64]) {
  Line w = F::template weights<j>(packed);
  if constexpr (F::kOffsetShift >= 0)
    w = _mm512_sub_epi8(w, _mm512_set1_epi8(static_cast<char>(1 << F::kOffsetShift)));
  _mm512_store_si512(lines[j], w);
}

// num_blocks blocks of 32 columns from `packed`, which begins with a whole block of the format.
template <class F>
void unpack(const uint8_t* packed, int num_blocks, UnpackedChunk<F>& out) {
  for (int b = 0; b < num_blocks; b += F::kSubBlocks, packed += F::kBytes) {
    for (int g = 0; g < kGroups; ++g) {
      const typename F::Head head = F::read_head(packed, g);
      for (int sub = 0; sub < F::kSubBlocks; ++sub) {
        const uint8_t* from = F::lines(packed, sub, g);
        uint8_t(&lines)[8][64] = out.lines[b + sub][g];
        unpack_line<F, 0>(from, lines);
        unpack_line<F, 1>(from, lines);
        unpack_line<F, 2>(from, lines);
        unpack_line<F, 3>(from, lines);
        unpack_line<F, 4>(from, lines);
        unpack_line<F, 5>(from, lines);
        unpack_line<F, 6>(from, lines);
        unpack_line<F, 7>(from, lines);
        for (int h = 0; h < F::kScales; ++h) {
          _mm512_store_ps(out.scales[b + sub][h] + kTileRows * g, F::scale(head, sub, h));
          if constexpr (F::kHasMin)
            _mm512_store_ps(out.mins[b + sub][h] + kTileRows * g, F::min(head, sub, h));
        }
      }
    }
  }
}

// Exact integers of 16 tokens x 16 rows, by group of rows, for every fold of a chunk.
template <class F>
struct TileSums {
  alignas(64) int32_t of[kGroups][kChunkBlocks][F::kScales][kTileTokens][kTileRows];
};

// Tiles of sums, activations and weights that take turns.
constexpr int kSumTile = 0, kActivationTile = 4, kWeightTile = 6;

template <class F>
void load_shapes(int num_tokens) {
  TileShapes shapes;
  for (int i = 0; i < 4; ++i) shapes.set(kSumTile + i, num_tokens, 64);
  for (int i = 0; i < 2; ++i) {
    shapes.set(kActivationTile + i, num_tokens, kDepth<F>);
    shapes.set(kWeightTile + i, kDepth<F> / 4, 64);
  }
  shapes.load();
}

// A tile of activations and a chunk's columns.
struct AmxInput {
  const Activations& tile;
  int first_block, num_blocks;  // of the chunk

  int num_tokens() const { return tile.num_rows; }
  int64_t place(int block) const {
    return static_cast<int64_t>(first_block + block) * tile.num_rows;
  }
  const float* scales(int block) const { return tile.scales + place(block); }
  const float* scaled_sums(int block, int which) const {
    return tile.scaled_sums + place(block) + int64_t{which} * tile.num_blocks() * tile.num_rows;
  }
  // First planes lie as a tile, second ones as far apart as their records, and behind a block's
  // other blocks', whose products nobody reads.
  const int8_t* high(int block) const { return tile.high + place(block) * kActivationBlock; }
  const LowBlock* low(int block) const {
    const int b = first_block + block;
    return tile.low + (b == 0 ? 0 : tile.low_ends[b - 1]);
  }
};

// What is unpacked next, asked for a few lines at a time: all at once, the core would wait.
struct NextLines {
  const uint8_t* line;
  int each;  // a product

  PRONK_INLINE void prefetch() {
    for (int i = 0; i < each; ++i, line += 64) __builtin_prefetch(line, 0, 3);
  }
};

// Products of one plane with the blocks in `which`, both groups of rows, into their sums. A tile of
// sums is stored two products later: at once, the store would wait for its product (9.7 ns each
// rather than 6.9).
template <class F, bool kLow>
struct TileProducts {
  const AmxInput& in;
  const UnpackedChunk<F>& w;
  TileSums<F>& sums;
  const uint8_t* which;
  int count;  // blocks or, with two scales, half blocks
  NextLines& next;

  int block(int p) const { return which[p / F::kScales]; }
  static int half(int p) { return p % F::kScales; }

  template <int kTurn, int kGroup>
  PRONK_INLINE void multiply_group(int p) const {
    constexpr int kTo = kSumTile + 2 * kTurn + kGroup, kW = kWeightTile + kGroup;
    tile_load<kW>(w.lines[block(p)][kGroup][half(p) * (kDepth<F> / 4)], 64);
    tile_zero<kTo>();
    tile_dot_int8<kTo, kActivationTile + kTurn, kW>();
  }
  template <int kTurn>
  PRONK_INLINE void load_activations(int p) const {
    const int8_t* values = kLow ? in.low(block(p))->values : in.high(block(p));
    tile_load<kActivationTile + kTurn>(values + half(p) * kDepth<F>,
                                       kLow ? sizeof(LowBlock) : kActivationBlock);
  }
  template <int kTurn, int kGroup>
  PRONK_INLINE void store(int p) const {
    tile_store<kSumTile + 2 * kTurn + kGroup>(sums.of[kGroup][block(p)][half(p)], 64);
  }
  // Product p, and the stores of the one before.
  template <int kTurn>
  PRONK_INLINE void step(int p) const {
    load_activations<kTurn>(p);
    next.prefetch();
    multiply_group<kTurn, 0>(p);
    store<1 - kTurn, 0>(p - 1);
    multiply_group<kTurn, 1>(p);
    store<1 - kTurn, 1>(p - 1);
  }
  template <int kTurn>
  PRONK_INLINE void finish(int p) const {
    store<kTurn, 0>(p);
    store<kTurn, 1>(p);
  }
  void run() const {
    load_activations<0>(0);
    multiply_group<0, 0>(0);
    multiply_group<0, 1>(0);
    int p = 1;
    for (; p + 1 < count; p += 2) {
      step<1>(p);
      step<0>(p + 1);
    }
    if (p == count) return finish<0>(p - 1);
    step<1>(p);
    finish<1>(p);
  }
};

// The sums of the first plane.
template <class F>
void integer_tiles(const AmxInput& in, const UnpackedChunk<F>& w, NextLines& next,
                   TileSums<F>& sums) {
  static constexpr uint8_t kAll[kChunkBlocks] = {0, 1, 2, 3, 4, 5, 6, 7};
  TileProducts<F, false>{in, w, sums, kAll, in.num_blocks * F::kScales, next}.run();
}

// The second plane of the tokens that stand out, into outputs of its own.
template <class F>
void fold_low_plane(const AmxInput& in, const UnpackedChunk<F>& w, NextLines& next,
                    TileSums<F>& sums, float (*low)[kPanelRows]) {
  uint8_t which[kChunkBlocks];
  int count = 0;
  for (int b = 0; b < in.num_blocks; ++b)
    if (in.low(b) != in.low(b + 1)) which[count++] = static_cast<uint8_t>(b);
  if (count == 0) return;
  TileProducts<F, true>{in, w, sums, which, count * F::kScales, next}.run();
  for (int i = 0; i < count; ++i) {
    const int b = which[i];
    const LowBlock *first = in.low(b), *end = in.low(b + 1);
    for (const LowBlock* x = first; x != end; ++x) {
      const Floats token_scale = broadcast(x->scale);
      for (int g = 0; g < kGroups; ++g) {
        const auto half = [&](int h) {
          return to_floats(_mm512_load_si512(sums.of[g][b][h][x - first]));
        };
        const auto scale = [&](int h) { return _mm512_load_ps(w.scales[b][h] + kTileRows * g); };
        float* out = low[x->row - in.tile.first_row] + kTileRows * g;
        Floats f = _mm512_load_ps(out);
        if constexpr (F::kScales == 1)
          f = fused(multiply(scale(0), token_scale), half(0), f);
        else
          f = fused(token_scale, fused(scale(1), half(1), multiply(scale(0), half(0))), f);
        _mm512_store_ps(out, f);
      }
    }
  }
}

// One block's integers of a few tokens into their outputs.
template <class F, int kTokens>
PRONK_INLINE void fold_tile_block(const AmxInput& in, const UnpackedChunk<F>& w,
                                  const TileSums<F>& sums, int b, int first_token, int row,
                                  Floats (&out)[kTokens]) {
  const float* scales = in.scales(b) + first_token;
  const Floats scale = _mm512_load_ps(w.scales[b][0] + row);
  const auto of_token = [&](int half, int t) {
    return to_floats(_mm512_load_si512(sums.of[row / kTileRows][b][half][first_token + t]));
  };
  if constexpr (F::kScales == 1) {
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t)
      out[t] = fused(multiply(scale, broadcast(scales[t])), of_token(0, t), out[t]);
  } else {
    const Floats second_scale = _mm512_load_ps(w.scales[b][1] + row);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const Floats both = fused(second_scale, of_token(1, t), multiply(scale, of_token(0, t)));
      out[t] = fused(broadcast(scales[t]), both, out[t]);
    }
  }
  if constexpr (F::kHasMin) {
    PRONK_UNROLL
    for (int h = 0; h < F::kScales; ++h) {
      const Floats min = _mm512_load_ps(w.mins[b][h] + row);
      const float* x = in.scaled_sums(b, block_sum<F>(h)) + first_token;
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) out[t] = fused(min, broadcast(x[t]), out[t]);
    }
  }
}

// Where a tile's outputs lie.
struct TileOutput {
  float* y;  // of its first token and row
  int64_t stride;
  __mmask16 rows;
  bool first_chunk;
};

template <class F, int kTokens>
void fold_tokens(const AmxInput& in, int first_token, int row, const UnpackedChunk<F>& w,
                 const TileSums<F>& sums, const TileOutput& to) {
  float* y = to.y + first_token * to.stride;
  Floats out[kTokens];
  PRONK_UNROLL
  for (int i = 0; i < kTokens; ++i)
    out[i] = to.first_chunk ? zero_floats() : _mm512_maskz_loadu_ps(to.rows, y + i * to.stride);
  for (int b = 0; b < in.num_blocks; ++b)
    fold_tile_block<F, kTokens>(in, w, sums, b, first_token, row, out);
  PRONK_UNROLL
  for (int i = 0; i < kTokens; ++i) _mm512_mask_storeu_ps(y + i * to.stride, to.rows, out[i]);
}

// One chunk and one tile of activations, into the outputs of one group of rows.
template <class F>
void fold_group(const AmxInput& in, int group, const UnpackedChunk<F>& w, const TileSums<F>& sums,
                const TileOutput& to) {
  const int row = group * kTileRows;
  int t = 0;
  for (; t + 4 <= in.num_tokens(); t += 4) fold_tokens<F, 4>(in, t, row, w, sums, to);
  for (; t < in.num_tokens(); ++t) fold_tokens<F, 1>(in, t, row, w, sums, to);
}

// All tokens and rows of one chunk. *shaped_for: the tokens that the tiles have room for.
template <class F>
void multiply_chunk(const Activations& x, int first_block, int num_blocks,
                    const UnpackedChunk<F>& w, int num_rows, float* y, int64_t y_stride,
                    float (*low)[kPanelRows], NextLines& next, int* shaped_for) {
  for (int i = 0; i < x.num_tiles(); ++i) {
    const Activations tile = x.tile(i);
    const AmxInput in{tile, first_block, num_blocks};
    if (tile.num_rows != *shaped_for) load_shapes<F>(*shaped_for = tile.num_rows);
    TileSums<F> sums;
    integer_tiles<F>(in, w, next, sums);
    for (int g = 0; g < kGroups && g * kTileRows < num_rows; ++g) {
      const int rows_left = num_rows - g * kTileRows;
      const auto rows = static_cast<__mmask16>(rows_left >= 16 ? 0xffff : (1 << rows_left) - 1);
      fold_group<F>(in, g, w, sums, {y + g * kTileRows, y_stride, rows, first_block == 0});
    }
    fold_low_plane<F>(in, w, next, sums, low);
    low += tile.num_rows;
    y += tile.num_rows * y_stride;
  }
}

constexpr int kMostAmxTiles = 16;  // that share an unpacked chunk

// The panel for some tiles.
template <class F>
void multiply_tiles_amx(const uint8_t* packed, const Activations& x, int num_rows, float* y,
                        int64_t y_stride) {
  UnpackedChunk<F> w;
  alignas(64) float low[kMostAmxTiles * kTileTokens][kPanelRows];
  memset(low, 0, sizeof *low * static_cast<size_t>(x.num_rows));
  int shaped_for = 0;
  for (int b = 0; b < x.num_blocks(); b += kChunkBlocks) {
    const int left = x.num_blocks() - b, num_blocks = left < kChunkBlocks ? left : kChunkBlocks;
    unpack<F>(packed, num_blocks, w);
    packed += num_blocks / F::kSubBlocks * F::kBytes;
    NextLines next{packed, 0};
    constexpr int kLines = (kChunkBlocks / F::kSubBlocks * F::kBytes + 63) / 64;
    next.each = (kLines - 1) / (x.num_tiles() * num_blocks * F::kScales) + 1;
    multiply_chunk<F>(x, b, num_blocks, w, num_rows, y, y_stride, low, next, &shaped_for);
  }
  for (int t = 0; t < x.num_rows; ++t, y += y_stride)
    for (int r = 0; r < num_rows; ++r) y[r] += low[t][r];
}

// LinearKernels::multiply_panel of a block type. Below kLeastTokens the unpacking does not pay.
template <class F>
void multiply_panel_amx(const void* panel, const Activations& x, int num_rows, float* y,
                        int64_t y_stride) {
  constexpr int kLeastTokens = 12;
  if (x.num_rows < kLeastTokens) return multiply_panel<F>(panel, x, num_rows, y, y_stride);
  for (int i = 0; i < x.num_tiles(); i += kMostAmxTiles) {
    const Activations some = x.tiles(i, kMostAmxTiles);
    multiply_tiles_amx<F>(static_cast<const uint8_t*>(panel), some, num_rows, y, y_stride);
    y += some.num_rows * y_stride;
  }
  tile_release();
}

// ---- limits ----

// Products of full tiles, of 64 columns of int8 or 32 of bf16, and nothing beside them.
template <bool kInt8>
double probe_tiles(int64_t rounds) {
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) shapes.set(i, 16, 64);
  shapes.load();
  alignas(64) static const uint8_t zeros[16][64] = {};
  for (int64_t i = 0; i < rounds; ++i) {
    if (i == 0) {
      tile_load<4>(zeros, 64);
      tile_load<5>(zeros, 64);
      tile_load<6>(zeros, 64);
      tile_load<7>(zeros, 64);
      tile_zero<0>();
      tile_zero<1>();
      tile_zero<2>();
      tile_zero<3>();
    }
    if constexpr (kInt8) {
      tile_dot_int8<0, 4, 6>();
      tile_dot_int8<1, 4, 7>();
      tile_dot_int8<2, 5, 6>();
      tile_dot_int8<3, 5, 7>();
    } else {
      tile_dot_bf16<0, 4, 6>();
      tile_dot_bf16<1, 4, 7>();
      tile_dot_bf16<2, 5, 6>();
      tile_dot_bf16<3, 5, 7>();
    }
  }
  tile_release();
  return static_cast<double>(rounds) * 4 * 2 * 16 * 16 * (kInt8 ? 64 : 32);
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
