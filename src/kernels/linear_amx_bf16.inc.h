// Weights of any type as bf16 (linear_amx_blocks.inc.h) times rows of bf16 by AMX, sums in fp32.
//
// An output is one chain of tile products over the blocks of 32 columns in order, whatever the
// number of tokens, so that a token has the same bits alone and in a batch; the products flush
// denormals, so bits hold for this set alone.
namespace pronk::kernels::PRONK_ISA {
namespace {

// Up to two tiles of tokens: tiles 0-3 are their sums with 2 groups of rows, 4 and 5 the
// activations, 6 and 7 the weights. Four chains cover the latency of a product.
struct TokenTiles {
  Activations x[2];  // the second may have no rows

  TokenTiles(const Activations& all, int first_tile) : x{all.tile(first_tile), {}} {
    if (first_tile + 1 < all.num_tiles()) x[1] = all.tile(first_tile + 1);
  }
  int num_tokens() const { return x[0].num_rows + x[1].num_rows; }
  bool is_full() const { return num_tokens() == 2 * kTileTokens; }
  void load_shapes() const {
    TileShapes shapes;
    for (int i = 0; i < 2; ++i) {
      shapes.set(6 + i, WeightBlock::kPairs, 64);
      if (x[i].num_rows == 0) continue;
      for (int g = 0; g < kGroups; ++g) shapes.set(2 * i + g, x[i].num_rows, 64);
      shapes.set(4 + i, x[i].num_rows, 64);
    }
    shapes.load();
  }
};

// The sums of two tiles of tokens, as the tiles hold them.
struct alignas(64) TokenSums {
  float of[2][kGroups][kTileTokens][kTileRows];

  void copy_to(float* y, int64_t y_stride, int num_tokens, int num_rows) const {
    for (int t = 0; t < num_tokens; ++t, y += y_stride)
      for (int g = 0; g < kGroups && g * kTileRows < num_rows; ++g)
        store(y + g * kTileRows, _mm512_load_ps(of[t / kTileTokens][g][t % kTileTokens]),
              num_rows - g * kTileRows);
  }
};

template <bool kTwo>
PRONK_INLINE void start_sums() {
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (kTwo) tile_zero<2>();
  if constexpr (kTwo) tile_zero<3>();
}
template <bool kTwo>
PRONK_INLINE void load_sums(const TokenSums& sums) {
  tile_load<0>(sums.of[0][0], 64);
  tile_load<1>(sums.of[0][1], 64);
  if constexpr (kTwo) tile_load<2>(sums.of[1][0], 64);
  if constexpr (kTwo) tile_load<3>(sums.of[1][1], 64);
}
template <bool kTwo>
PRONK_INLINE void store_sums(TokenSums& sums) {
  tile_store<0>(sums.of[0][0], 64);
  tile_store<1>(sums.of[0][1], 64);
  if constexpr (kTwo) tile_store<2>(sums.of[1][0], 64);
  if constexpr (kTwo) tile_store<3>(sums.of[1][1], 64);
}

// sums += x · w over one block. Of many tokens the activations pass by: the weights should stay in
// the L1 cache.
template <bool kTwo, bool kPassing>
PRONK_INLINE void add_products(const TokenTiles& tiles, int64_t block, const uint8_t* w) {
  const auto x = [&](int i) {
    return tiles.x[i].bf16 + block * tiles.x[i].num_rows * kActivationBlock;
  };
  tile_load<6>(w, WeightBlock::kPairBytes);
  tile_load<7>(w + 64, WeightBlock::kPairBytes);
  kPassing ? tile_load_passing<4>(x(0), 64) : tile_load<4>(x(0), 64);
  tile_dot_bf16<0, 4, 6>();
  tile_dot_bf16<1, 4, 7>();
  if constexpr (kTwo) {
    kPassing ? tile_load_passing<5>(x(1), 64) : tile_load<5>(x(1), 64);
    tile_dot_bf16<2, 5, 6>();
    tile_dot_bf16<3, 5, 7>();
  }
}

// Few tokens: their sums stay in the tiles, and a block is unpacked while the one before is
// multiplied.
template <class F, bool kTwo>
void multiply_few(const void* panel, const TokenTiles& tiles, int num_blocks, TokenSums& sums) {
  BlockReader<F> reader(panel, tiles.x[0].columns);
  WeightBlock buffers[2];
  start_sums<kTwo>();
  const uint8_t* before = reader.next(buffers[0]);
  for (int b = 1; b < num_blocks; ++b) {
    const uint8_t* block = reader.next(buffers[b & 1]);
    add_products<kTwo, false>(tiles, b - 1, before);
    before = block;
  }
  add_products<kTwo, false>(tiles, num_blocks - 1, before);
  store_sums<kTwo>(sums);
}

// Blocks that are unpacked together for many tokens: 32 KiB, which stay in the L1 cache.
constexpr int kRunBlocks = 16;

struct WeightChunk {
  WeightBlock buffers[kRunBlocks];
  const uint8_t* blocks[kRunBlocks];
  int first_block, num_blocks;

  template <class F>
  void read(BlockReader<F>& reader, int first, int count) {
    first_block = first;
    num_blocks = count;
    for (int b = 0; b < count; ++b) blocks[b] = reader.next(buffers[b]);
  }
};

template <bool kTwo>
void multiply_weights(const WeightChunk& w, const TokenTiles& tiles, TokenSums& sums) {
  w.first_block == 0 ? start_sums<kTwo>() : load_sums<kTwo>(sums);
  for (int b = 0; b < w.num_blocks; ++b)
    add_products<kTwo, true>(tiles, w.first_block + b, w.blocks[b]);
  store_sums<kTwo>(sums);
}

// Panels and tiles of tokens that are computed together. Chunk after chunk of the columns goes over
// all of them, so that its activations (256 KiB) and their sums (512 KiB) stay in the L2 cache and
// a block is unpacked once.
constexpr int kRunPanels = 16, kRunPairs = 8;  // of tiles: 256 tokens

template <class F>
void multiply_many(const Panels& w, const Activations& x, float* y, int64_t y_stride) {
  TokenSums sums[kRunPanels][kRunPairs];
  const int num_pairs = (x.num_tiles() + 1) / 2;
  BlockReader<F> readers[kRunPanels];
  for (int p = 0; p < w.count(); ++p) readers[p] = BlockReader<F>(w.panel(p), x.columns);
  TokenTiles(x, 0).load_shapes();
  for (int b = 0; b < x.num_blocks(); b += kRunBlocks) {
    const int left = x.num_blocks() - b;
    for (int p = 0; p < w.count(); ++p) {
      WeightChunk chunk;
      chunk.read(readers[p], b, left < kRunBlocks ? left : kRunBlocks);
      for (int i = 0; i < num_pairs; ++i) {
        const TokenTiles tiles(x, 2 * i);
        if (!tiles.is_full()) tiles.load_shapes();
        (tiles.x[1].num_rows > 0 ? multiply_weights<true> : multiply_weights<false>)(chunk, tiles,
                                                                                     sums[p][i]);
        if (!tiles.is_full()) TokenTiles(x, 0).load_shapes();
      }
    }
  }
  for (int p = 0; p < w.count(); ++p)
    for (int i = 0; i < num_pairs; ++i)
      sums[p][i].copy_to(y + i * 2 * kTileTokens * y_stride + p * kPanelRows, y_stride,
                         TokenTiles(x, 2 * i).num_tokens(), w.rows_of(p));
}

template <class F>
void multiply_two_tiles(const Panels& w, const Activations& x, float* y, int64_t y_stride) {
  const TokenTiles tiles(x, 0);
  tiles.load_shapes();
  for (int p = 0; p < w.count(); ++p) {
    TokenSums sums;
    (tiles.x[1].num_rows > 0 ? multiply_few<F, true>
                             : multiply_few<F, false>)(w.panel(p), tiles, x.num_blocks(), sums);
    sums.copy_to(y + p * kPanelRows, y_stride, x.num_rows, w.rows_of(p));
  }
}

// LinearKernels::multiply_bf16.
template <class F>
void multiply_bf16_amx(const Panels& w, const Activations& x, float* y, int64_t y_stride) {
  if (x.num_tiles() <= 2) {
    multiply_two_tiles<F>(w, x, y, y_stride);
    return tile_release();
  }
  for (int t = 0; t < x.num_tiles(); t += 2 * kRunPairs)
    for (int p = 0; p < w.count(); p += kRunPanels)
      multiply_many<F>(w.some(p, kRunPanels), x.tiles(t, 2 * kRunPairs),
                       y + t * kTileTokens * y_stride + p * kPanelRows, y_stride);
  tile_release();
}

// LinearKernels::multiply_panel of BF16: the same chains.
void multiply_panel_bf16_amx(const void* panel, const Activations& x, int num_rows, float* y,
                             int64_t y_stride) {
  multiply_bf16_amx<BF16>({panel, 0, num_rows}, x, y, y_stride);
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
