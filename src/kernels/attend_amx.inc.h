// Attention over a bfloat16 cache by tiles: 16 rows of queries against 16 keys, 16 rows of weights
// against 16 value columns. A page is laid out as a tile of the second operand already.
//
// A split is taken in blocks of 128 keys, so that keys, values, scores and weights of a block stay
// in the L1 cache while all rows go over it; a row's softmax goes from block to block.
//
// Few rows take the same products as many, so that no bit depends on how many there are; the order
// in which a product adds its pairs is AMX's own, so bits hold for this set alone.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

constexpr int kPairsPerTile = 16;  // of head dimensions or of keys
constexpr int kBlockKeys = 128;
constexpr float kNoScore = -1e30f;  // max of a row that saw no key: below any score

// Rows row.. of a split, num_rows of them, and the keys from first_page on that any of them sees,
// a block of them at most. `scores` is their part of the scratch.
struct TileRows {
  const AttendSplit* s;
  float* scores;
  int row, num_rows, first_page, num_keys, num_split_pages;

  int num_pages() const { return (num_keys + kPageKeys - 1) / kPageKeys; }
  const uint32_t* page(int i) const { return (const uint32_t*)s->pages[first_page + i].keys; }
  const uint32_t* values(int i) const { return (const uint32_t*)s->pages[first_page + i].values; }
  // Only the first rows fetch the page that follows: the others find it in the cache.
  bool fetches(int i) const { return row == 0 && first_page + i + 1 < num_split_pages; }
  int num_visible(int r, int most) const {
    const int n = s->num_visible[row + r] - first_page * kPageKeys;
    return n < 0 ? 0 : n < most ? n : most;
  }

  void load_shapes() const {
    TileShapes shapes;
    for (int i = 0; i < 6; ++i) shapes.set(i, num_rows, 64);
    for (int i = 6; i < 8; ++i) shapes.set(i, kPairsPerTile, 64);
    shapes.load();
  }
};

PRONK_INLINE void fetch(const void* line) { __builtin_prefetch(line, 0, 3); }

// Asks for what stands behind p, a cache line for each of `count`.
PRONK_INLINE void fetch_lines(const uint32_t* p, int count) {
  for (int i = 0; i < count; ++i) fetch(p + 16 * i);
}

// Tiles kTo and kTo + 1 = queries · 32 keys.
template <int kTo>
PRONK_INLINE void score_page(const TileRows& t, int page) {
  const int num_pairs = t.s->head_dim / 2;
  const auto* q = (const uint32_t*)t.s->q + (int64_t)t.row * num_pairs;
  const uint32_t* keys = t.page(page);
  const bool fetches = t.fetches(page);
  const uint32_t* next = t.page(fetches ? page + 1 : page);
  tile_zero<kTo>();
  tile_zero<kTo + 1>();
  for (int d = 0; d < num_pairs; d += kPairsPerTile) {
    tile_load<4>(q + d, num_pairs * 4);
    tile_load<6>(keys + d * kPageKeys, kPageKeys * 4);
    tile_dot_bf16<kTo, 4, 6>();
    tile_load<7>(keys + d * kPageKeys + 16, kPageKeys * 4);
    tile_dot_bf16<kTo + 1, 4, 7>();
    if (fetches) fetch_lines(next + d * kPageKeys, 2 * kPairsPerTile);
  }
}

template <int kFrom>
PRONK_INLINE void store_scores(const TileRows& t, int page) {
  float* scores = t.scores + page * kPageKeys;
  tile_store<kFrom>(scores, kBlockKeys * 4);
  tile_store<kFrom + 1>(scores + 16, kBlockKeys * 4);
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
  tile_load<4>(weights, kBlockKeys * 2);
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
  const int width = t.s->head_dim;
  const auto* weights = (const uint32_t*)t.s->weights;
  float* to = out.value + (int64_t)t.row * width + column;
  tile_load<0>(to, width * 4);
  tile_load<1>(to + 16, width * 4);
  if constexpr (kTiles == 4) tile_load<2>(to + 32, width * 4);
  if constexpr (kTiles == 4) tile_load<3>(to + 48, width * 4);
  const int whole = t.num_keys / kPageKeys, rest = t.num_keys % kPageKeys;
  for (int page = 0; page < whole; ++page) {
    if (t.fetches(page))
      for (int i = 0; i < kPairsPerTile; ++i)
        fetch_lines(t.values(page + 1) + i * width + column, kTiles);
    mix_page<kTiles>(weights + page * kPairsPerTile, t.values(page) + column, width);
  }
  if (rest) {
    alignas(64) uint32_t values[kPairsPerTile][16 * kTiles] = {};
    for (int i = 0; i < (rest + 1) / 2; ++i)
      memcpy(values[i], t.values(whole) + i * width + column, sizeof values[i]);
    mix_page<kTiles>(weights + whole * kPairsPerTile, values[0], 16 * kTiles);
  }
  tile_store<0>(to, width * 4);
  tile_store<1>(to + 16, width * 4);
  if constexpr (kTiles == 4) tile_store<2>(to + 32, width * 4);
  if constexpr (kTiles == 4) tile_store<3>(to + 48, width * 4);
}

// value *= factor.
PRONK_INLINE void scale_value(float* value, float factor, int width) {
  for (int i = 0; i < width; i += 16) store(value + i, mul(load(value + i), all(factor)));
}

// The block's scores to weights; max, sum and value of the rows brought to the new max.
void weigh_block(const TileRows& t, const AttendState& out) {
  float top[kTileRows], factors[kTileRows];
  float *row_max = out.max + t.row, *row_sum = out.sum + t.row;
  for (int r = 0; r < t.num_rows; ++r) {
    const int num_visible = t.num_visible(r, kBlockKeys);
    top[r] = num_visible > 0 ? largest_score(t.scores + r * kBlockKeys, num_visible) : kNoScore;
  }
  const Lanes old = load_first(row_max, t.num_rows, 0);
  const Lanes now = max(old, load_first(top, t.num_rows, 0));
  store_first(row_max, now, t.num_rows);
  store(factors, exp2_of(sub(old, now)));
  for (int r = 0; r < t.num_rows; ++r) {
    auto* weights = (uint32_t*)t.s->weights + r * (kBlockKeys / 2);
    const float sum = weigh_row<true>(
        t.scores + r * kBlockKeys, 1, row_max[r], t.num_visible(r, kBlockKeys),
        t.num_pages() * kPageKeys,
        [=](int i, int, Lanes weight) { Bf16Terms::store_rounded(weights + i / 2, weight); });
    row_sum[r] = __builtin_fmaf(row_sum[r], factors[r], sum);
    if (factors[r] != 1)
      scale_value(out.value + (int64_t)(t.row + r) * t.s->head_dim, factors[r], t.s->head_dim);
  }
}

void mix_block(const TileRows& t, const AttendState& out) {
  int column = 0;
  for (; column + 64 <= t.s->head_dim; column += 64) mix_tiles<4>(t, out, column);
  if (column < t.s->head_dim) mix_tiles<2>(t, out, column);
}

// All rows over the block's keys. The products of the next rows' scores are under way while these
// rows' scores become weights.
void attend_block(const AttendSplit& s, const AttendState& out, int begin, int num_keys) {
  const auto rows_from = [&](int row) {
    const int num_rows = s.num_rows - row < kTileRows ? s.num_rows - row : kTileRows;
    const int left = num_rows > 0 ? keys_of_rows(s, row, num_rows) - begin : 0;
    float* scores = s.scores + row / kTileRows % 2 * (kTileRows * kBlockKeys);
    return TileRows{.s = &s,
                    .scores = scores,
                    .row = row,
                    .num_rows = num_rows,
                    .first_page = begin / kPageKeys,
                    .num_keys = left < kBlockKeys ? left : kBlockKeys,
                    .num_split_pages = (num_keys + kPageKeys - 1) / kPageKeys};
  };
  int shape = 0;  // rows of the tiles that are loaded
  const auto shape_for = [&](const TileRows& t) {
    if (t.num_rows != shape) t.load_shapes();
    shape = t.num_rows;
  };
  TileRows next = rows_from(0);
  shape_for(next);
  if (next.num_keys > 0) score_tiles(next);
  while (next.num_rows > 0) {
    const TileRows t = next;
    next = rows_from(t.row + kTileRows);
    if (next.num_keys > 0) {
      shape_for(next);
      score_tiles(next);
    }
    if (t.num_keys <= 0) continue;
    weigh_block(t, out);
    shape_for(t);
    mix_block(t, out);
  }
}

// CacheKernels::attend of a bfloat16 cache. Heads that are not whole tiles go without.
void attend_bf16_amx(const AttendSplit& s, const AttendState& out) {
  if (s.head_dim % (2 * kPairsPerTile) != 0) return attend<FloatRows<Bf16Terms>>(s, out);
  memset(out.value, 0, (size_t)s.num_rows * (size_t)s.head_dim * sizeof(float));
  for (int r = 0; r < s.num_rows; ++r) {
    out.max[r] = kNoScore;
    out.sum[r] = 0;
  }
  const int num_keys = keys_of_rows(s, 0, s.num_rows);
  for (int begin = 0; begin < num_keys; begin += kBlockKeys) attend_block(s, out, begin, num_keys);
  tile_release();
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
