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

// Where the sums of tokens with rows of weights stand: in y, or in a buffer.
struct Sums {
  float* first;
  int64_t stride;  // from a token to the next

  Sums at(int token, int row) const { return {first + token * stride + row, stride}; }
  template <int kTile>
  PRONK_INLINE void load(int token, int row) const {
    tile_load<kTile>(at(token, row).first, 4 * stride);
  }
  template <int kTile>
  PRONK_INLINE void store(int token, int row) const {
    tile_store<kTile>(at(token, row).first, 4 * stride);
  }
};

// The sums of two tiles of tokens with a panel.
struct alignas(64) SumsBuffer {
  float of[2 * kTileTokens][kPanelRows];

  Sums sums() { return {of[0], kPanelRows}; }
  void copy_to(Sums y, int num_tokens, int num_rows) const {
    for (int t = 0; t < num_tokens; ++t)
      for (int r = 0; r < num_rows; r += kTileRows)
        store(y.at(t, r).first, _mm512_load_ps(of[t] + r), num_rows - r);
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
PRONK_INLINE void load_sums(Sums from) {
  from.load<0>(0, 0);
  from.load<1>(0, kTileRows);
  if constexpr (kTwo) from.load<2>(kTileTokens, 0);
  if constexpr (kTwo) from.load<3>(kTileTokens, kTileRows);
}
template <bool kTwo>
PRONK_INLINE void store_sums(Sums to) {
  to.store<0>(0, 0);
  to.store<1>(0, kTileRows);
  if constexpr (kTwo) to.store<2>(kTileTokens, 0);
  if constexpr (kTwo) to.store<3>(kTileTokens, kTileRows);
}

// sums += x · w over one block. Of many tokens the activations pass by: the weights should stay in
// the L1 cache.
template <bool kTwo, bool kPassing>
PRONK_INLINE void add_products(const TokenTiles& tiles, int64_t block, const uint8_t* w) {
  const auto x = [&](int i) {
    return tiles.x[i].bf16 + block * tiles.x[i].num_rows * kActivationBlock;
  };
  kPassing ? tile_load_passing<4>(x(0), 64) : tile_load<4>(x(0), 64);
  tile_load<6>(w, WeightBlock::kPairBytes);
  if constexpr (kTwo) kPassing ? tile_load_passing<5>(x(1), 64) : tile_load<5>(x(1), 64);
  tile_load<7>(w + 64, WeightBlock::kPairBytes);
  tile_dot_bf16<0, 4, 6>();
  if constexpr (kTwo) tile_dot_bf16<2, 5, 6>();
  tile_dot_bf16<1, 4, 7>();
  if constexpr (kTwo) tile_dot_bf16<3, 5, 7>();
}

// Few tokens: their sums stay in the tiles, and a block is unpacked while the one before is
// multiplied.
template <class F, bool kTwo>
void multiply_few(const void* panel, const TokenTiles& tiles, int num_blocks, Sums sums) {
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

// Blocks of a panel that many tokens go over together: at most 36 KiB, which stay in the L1 cache.
// So SmolLM2's 576 columns are one chunk, whose sums are complete.
constexpr int kChunkMost = 18;

struct WeightChunk {
  WeightBlock buffers[kChunkMost];
  const uint8_t* blocks[kChunkMost];
  int first_block, num_blocks;
};

// Reads a chunk, some pieces of its blocks at a time.
template <class F>
class ChunkReader {
 public:
  ChunkReader() {}
  ChunkReader(BlockReader<F>& blocks, WeightChunk& to)
      : blocks_(&blocks), to_(&to), left_(to.num_blocks * kPieces) {}

  PRONK_INLINE void read(int num_pieces) {
    for (; num_pieces > 0 && left_ > 0; --num_pieces) read_piece();
  }
  void finish() { read(left_); }

 private:
  PRONK_APART void read_piece() {
    const int done = to_->num_blocks * kPieces - left_--, block = done / kPieces;
    to_->blocks[block] = blocks_->next(done % kPieces, to_->buffers[block]);
  }

  BlockReader<F>* blocks_ = nullptr;
  WeightChunk* to_ = nullptr;
  int left_ = 0;  // pieces
};

// before + x · w into after. Meanwhile `pieces` pieces of the chunk that comes next are read for
// each block, and the lines of `after` are fetched, which are seldom in a near cache.
template <class F, bool kTwo>
void multiply_weights(const WeightChunk& w, const TokenTiles& tiles, Sums before, Sums after,
                      ChunkReader<F>& next, int pieces) {
  const int num_tokens = tiles.num_tokens(), each = (num_tokens - 1) / w.num_blocks + 1;
  w.first_block == 0 ? start_sums<kTwo>() : load_sums<kTwo>(before);
  for (int b = 0, token = 0; b < w.num_blocks; ++b) {
    for (const int end = token + each; token < end && token < num_tokens; ++token) {
      __builtin_prefetch(after.at(token, 0).first, 1, 3);
      __builtin_prefetch(after.at(token, kTileRows).first, 1, 3);
    }
    add_products<kTwo, true>(tiles, w.first_block + b, w.blocks[b]);
    next.read(pieces);
  }
  store_sums<kTwo>(after);
}

// Panels and tiles of tokens that are computed together. Chunk after chunk of the columns goes over
// all of them, so that its activations (256 KiB) and their sums (512 KiB, where a chunk is not all)
// stay in the L2 cache and a block is unpacked once.
constexpr int kRunPanels = 16, kRunPairs = 8;  // of tiles: 256 tokens

template <class F>
class PanelRun {
 public:
  PanelRun(const Panels& w, const Activations& x, Sums y)
      : w_(w), x_(x), y_(y), num_panels_(w.count()), num_pairs_((x.num_tiles() + 1) / 2) {
    for (int p = 0; p < num_panels_; ++p) readers_[p] = BlockReader<F>(w.panel(p), x.columns);
  }

  void multiply() {
    const int num_chunks = (x_.num_blocks() - 1) / kChunkMost + 1;
    chunk_blocks_ = (x_.num_blocks() - 1) / num_chunks + 1;
    const int steps = num_chunks * num_panels_;
    TokenTiles(x_, 0).load_shapes();
    reader(0).finish();
    for (int i = 0; i < steps; ++i) {
      ChunkReader<F> next = i + 1 < steps ? reader(i + 1) : ChunkReader<F>();
      for (int pair = 0; pair < num_pairs_; ++pair)
        multiply(chunks_[i & 1], i % num_panels_, pair, next);
      next.finish();
    }
  }

 private:
  // Step i: a chunk of the columns of a panel.
  ChunkReader<F> reader(int i) {
    WeightChunk& chunk = chunks_[i & 1];
    chunk.first_block = i / num_panels_ * chunk_blocks_;
    const int left = x_.num_blocks() - chunk.first_block;
    chunk.num_blocks = left < chunk_blocks_ ? left : chunk_blocks_;
    return ChunkReader<F>(readers_[i % num_panels_], chunk);
  }

  void multiply(const WeightChunk& chunk, int panel, int pair, ChunkReader<F>& next) {
    const TokenTiles tiles(x_, 2 * pair);
    SumsBuffer& buffer = buffers_[panel][pair];
    const Sums y = y_.at(pair * 2 * kTileTokens, panel * kPanelRows);
    const bool is_last = chunk.first_block + chunk.num_blocks == x_.num_blocks();
    const bool is_whole = w_.rows_of(panel) == kPanelRows;
    const Sums to = is_last && is_whole ? y : buffer.sums();
    const int pieces = (kPieces - 1) / num_pairs_ + 1;
    if (!tiles.is_full()) tiles.load_shapes();
    tiles.x[1].num_rows > 0
        ? multiply_weights<F, true>(chunk, tiles, buffer.sums(), to, next, pieces)
        : multiply_weights<F, false>(chunk, tiles, buffer.sums(), to, next, pieces);
    if (!tiles.is_full()) TokenTiles(x_, 0).load_shapes();
    if (is_last && !is_whole) buffer.copy_to(y, tiles.num_tokens(), w_.rows_of(panel));
  }

  Panels w_;
  Activations x_;
  Sums y_;
  int num_panels_, num_pairs_, chunk_blocks_ = 0;
  BlockReader<F> readers_[kRunPanels];
  WeightChunk chunks_[2];  // one is multiplied while the other is read
  SumsBuffer buffers_[kRunPanels][kRunPairs];
};

template <class F>
void multiply_two_tiles(const Panels& w, const Activations& x, Sums y) {
  const TokenTiles tiles(x, 0);
  tiles.load_shapes();
  for (int p = 0; p < w.count(); ++p) {
    SumsBuffer buffer;
    (tiles.x[1].num_rows > 0 ? multiply_few<F, true> : multiply_few<F, false>)(w.panel(p), tiles,
                                                                               x.num_blocks(),
                                                                               buffer.sums());
    buffer.copy_to(y.at(0, p * kPanelRows), x.num_rows, w.rows_of(p));
  }
}

// LinearKernels::multiply_bf16.
template <class F>
void multiply_bf16_amx(const Panels& w, const Activations& x, float* y, int64_t y_stride) {
  const Sums to{y, y_stride};
  if (x.num_tiles() <= 2) {
    multiply_two_tiles<F>(w, x, to);
    return tile_release();
  }
  for (int t = 0; t < x.num_tiles(); t += 2 * kRunPairs)
    for (int p = 0; p < w.count(); p += kRunPanels)
      PanelRun<F>(w.some(p, kRunPanels), x.tiles(t, 2 * kRunPairs),
                  to.at(t * kTileTokens, p * kPanelRows))
          .multiply();
  tile_release();
}

// LinearKernels::multiply_panel of BF16 and FP8: the same chains.
template <class F>
void multiply_panel_bf16_amx(const void* panel, const Activations& x, int num_rows, float* y,
                             int64_t y_stride) {
  multiply_bf16_amx<F>({panel, 0, num_rows}, x, y, y_stride);
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
