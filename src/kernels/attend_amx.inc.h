// Attention over a bfloat16 cache by tiles: 16 rows of queries against 16 keys, 16 rows of weights
// against 16 value columns. A page is laid out as a tile of the second operand already.
//
// Few rows take the same products as many, so that no bit depends on how many there are; the order
// in which a product adds its pairs is AMX's own, so bits hold for this set alone.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

constexpr int kPairsPerTile = 16;  // of head dimensions or of keys

// Rows row.. of a split, num_rows of them, and as many keys as any of them sees.
struct TileRows {
  const AttendSplit& s;
  int row, num_rows, num_keys;

  int num_pages() const { return (num_keys + kPageKeys - 1) / kPageKeys; }
  const uint32_t* page(int i) const { return (const uint32_t*)s.pages[i]; }
  const uint32_t* values(int i) const { return page(i) + s.head_dim / 2 * kPageKeys; }

  void load_shapes() const {
    TileShapes shapes;
    for (int i = 0; i < 6; ++i) shapes.set(i, num_rows, 64);
    for (int i = 6; i < 8; ++i) shapes.set(i, kPairsPerTile, 64);
    shapes.load();
  }
};

// Asks for what stands behind p, a cache line for each of `count`.
PRONK_INLINE void fetch_lines(const uint32_t* p, int count) {
  for (int i = 0; i < count; ++i) fetch(p + 16 * i);
}

// Tiles kTo and kTo + 1 = queries · 32 keys.
template <int kTo>
PRONK_INLINE void score_page(const TileRows& t, int page) {
  const int num_pairs = t.s.head_dim / 2;
  const auto* q = (const uint32_t*)t.s.q + (int64_t)t.row * num_pairs;
  const uint32_t* keys = t.page(page);
  const uint32_t* next = t.page(page + 1 < t.num_pages() ? page + 1 : 0);
  tile_zero<kTo>();
  tile_zero<kTo + 1>();
  for (int d = 0; d < num_pairs; d += kPairsPerTile) {
    tile_load<4>(q + d, num_pairs * 4);
    tile_load<6>(keys + d * kPageKeys, kPageKeys * 4);
    tile_dot_bf16<kTo, 4, 6>();
    tile_load<7>(keys + d * kPageKeys + 16, kPageKeys * 4);
    tile_dot_bf16<kTo + 1, 4, 7>();
    fetch_lines(next + d * kPageKeys, 2 * kPairsPerTile);
  }
}

template <int kFrom>
PRONK_INLINE void store_scores(const TileRows& t, int page) {
  float* scores = t.s.scores + page * kPageKeys;
  tile_store<kFrom>(scores, kSplitKeys * 4);
  tile_store<kFrom + 1>(scores + 16, kSplitKeys * 4);
}

// A page's scores are stored after the next one's products, which they need not wait for.
void score_tiles(const TileRows& t) {
  score_page<0>(t, 0);
  const int num_pages = t.num_pages();
  for (int page = 1; page < num_pages; ++page) {
    if (page % 2) {
      score_page<2>(t, page);
      store_scores<0>(t, page - 1);
    } else {
      score_page<0>(t, page);
      store_scores<2>(t, page - 1);
    }
  }
  num_pages % 2 ? store_scores<0>(t, num_pages - 1) : store_scores<2>(t, num_pages - 1);
}

// Tiles 0.. += weights of a page's keys · kTiles x 16 columns of its values.
template <int kTiles>
PRONK_INLINE void mix_page(const uint32_t* weights, const uint32_t* values, int width) {
  tile_load<4>(weights, kSplitKeys * 2);
  tile_load<6>(values, width * 4);
  tile_dot_bf16<0, 4, 6>();
  tile_load<7>(values + 16, width * 4);
  tile_dot_bf16<1, 4, 7>();
  if constexpr (kTiles == 4) {
    tile_load<6>(values + 32, width * 4);
    tile_dot_bf16<2, 4, 6>();
    tile_load<7>(values + 48, width * 4);
    tile_dot_bf16<3, 4, 7>();
  }
}

// kTiles x 16 columns of the rows' values. Of the last page only what was stored is read.
template <int kTiles>
void mix_tiles(const TileRows& t, const AttendState& out, int column) {
  const int width = t.s.head_dim;
  const auto* weights = (const uint32_t*)t.s.weights;
  tile_zero<0>();
  tile_zero<1>();
  if constexpr (kTiles == 4) tile_zero<2>();
  if constexpr (kTiles == 4) tile_zero<3>();
  const int whole = t.num_keys / kPageKeys, rest = t.num_keys % kPageKeys;
  for (int page = 0; page < whole; ++page) {
    const uint32_t* next = t.values(page + 1 < t.num_pages() ? page + 1 : 0) + column;
    for (int i = 0; i < kPairsPerTile; ++i) fetch_lines(next + i * width, kTiles);
    mix_page<kTiles>(weights + page * kPairsPerTile, t.values(page) + column, width);
  }
  if (rest) {
    alignas(64) uint32_t values[kPairsPerTile][16 * kTiles] = {};
    for (int i = 0; i < (rest + 1) / 2; ++i)
      memcpy(values[i], t.values(whole) + i * width + column, sizeof values[i]);
    mix_page<kTiles>(weights + whole * kPairsPerTile, values[0], 16 * kTiles);
  }
  float* to = out.value + (int64_t)t.row * width + column;
  tile_store<0>(to, width * 4);
  tile_store<1>(to + 16, width * 4);
  if constexpr (kTiles == 4) tile_store<2>(to + 32, width * 4);
  if constexpr (kTiles == 4) tile_store<3>(to + 48, width * 4);
}

void attend_tile_rows(const AttendSplit& s, const AttendState& out, int row, int num_rows) {
  const TileRows t{s, row, num_rows, keys_of_rows(s, row, num_rows)};
  t.load_shapes();
  if (t.num_keys > 0) score_tiles(t);
  for (int r = 0; r < num_rows; ++r)
    weigh<Bf16Terms>(s, out, row + r, r, t.num_pages() * kPageKeys);
  int column = 0;
  for (; column + 64 <= s.head_dim; column += 64) mix_tiles<4>(t, out, column);
  if (column < s.head_dim) mix_tiles<2>(t, out, column);
}

// CacheKernels::attend of a bfloat16 cache. Heads that are not whole tiles go without.
void attend_bf16_amx(const AttendSplit& s, const AttendState& out) {
  if (s.head_dim % (2 * kPairsPerTile) != 0) return attend<FloatRows<Bf16Terms>>(s, out);
  for (int row = 0; row < s.num_rows; row += kTileRows) {
    const int left = s.num_rows - row;
    attend_tile_rows(s, out, row, left < kTileRows ? left : kTileRows);
  }
  tile_release();
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
