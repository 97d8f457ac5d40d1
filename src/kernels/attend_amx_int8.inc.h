// Attention over an int8 cache by tiles: 16 rows of queries against 16 keys and 64 dimensions, 16
// rows of weights against 64 keys and 16 value columns, two planes each. All sums are of whole
// numbers, so bits are those of attend_int8.inc.h.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

constexpr int kBytesPerTile = 64;  // of a row: head dimensions or keys

// Whole numbers as a tile is stored.
struct alignas(64) TileOfInts {
  int32_t row[kTileRows][16];
};

// Tiles kTo, kTo + 1 = the high and the low plane of queries · 16 keys. `starts` is what the low
// sums start at: that of both planes, for 128 high + low.
template <int kTo>
PRONK_INLINE void score_int8_keys(const TileRows& t, int half, const TileOfInts& starts) {
  const int dims = t.s->head_dim;
  const int64_t stride = kv_query_bytes(KvType::kInt8, dims);
  const auto* q = (const uint8_t*)t.s->q + t.row * stride + sizeof(Int8Query);
  const int page = half / 2, offset = half % 2 * kBytesPerTile;
  const auto* keys = (const uint8_t*)t.s->pages[page].keys + offset;
  const auto* next =
      (const uint8_t*)t.s->pages[page + 1 < t.num_pages() ? page + 1 : 0].keys + offset;
  tile_zero<kTo>();
  tile_load<kTo + 1>(starts.row, sizeof starts.row[0]);
  for (int d = 0; d < dims; d += kBytesPerTile) {
    tile_load<6>(keys + d * kPageKeys, kPageKeys * kGroup);
    tile_load<4>(q + d, stride);
    tile_dot_signed_unsigned<kTo, 4, 6>();
    tile_load<5>(q + dims + d, stride);
    tile_dot_signed_unsigned<kTo + 1, 5, 6>();
    for (int i = 0; i < kBytesPerTile; i += kGroup) fetch(next + (d + i) * kPageKeys);
  }
}

// Scores of 16 keys from tiles kFrom and kFrom + 1.
template <int kFrom>
PRONK_INLINE void store_int8_scores(const TileRows& t, int half) {
  TileOfInts high, low;
  tile_store<kFrom>(high.row, sizeof high.row[0]);
  tile_store<kFrom + 1>(low.row, sizeof low.row[0]);
  const Lanes scales =
      load(Int8Page(t.s->pages[half / 2], t.s->head_dim).key_scales + half % 2 * 16);
  for (int r = 0; r < t.num_rows; ++r)
    store(t.s->scores + r * kSplitKeys + half * 16,
          mul(to_floats(join_planes(load_ints(high.row[r]), load_ints(low.row[r]))), scales));
}

// Scores are stored after the next keys' products, which they need not wait for.
void score_int8_tiles(const TileRows& t) {
  TileOfInts starts;
  for (int r = 0; r < t.num_rows; ++r) {
    Int8Query q;
    memcpy(&q, (const uint8_t*)t.s->q + (t.row + r) * kv_query_bytes(KvType::kInt8, t.s->head_dim),
           sizeof q);
    store_ints(starts.row[r], all_ints(128 * q.start_high + q.start_low));
  }
  const int num_halves = 2 * t.num_pages();
  score_int8_keys<0>(t, 0, starts);
  for (int half = 0; half < num_halves; half += 2) {
    score_int8_keys<2>(t, half + 1, starts);
    store_int8_scores<0>(t, half);
    if (half + 2 < num_halves) score_int8_keys<0>(t, half + 2, starts);
    store_int8_scores<2>(t, half + 1);
  }
}

// The split's values page after page, where 64 keys are a tile's rows. Whatever stands behind the
// last page has weight zero.
void gather_values(const AttendSplit& s, int num_keys) {
  const int64_t bytes = (int64_t)kPageKeys * s.head_dim;
  for (int page = 0; page * kPageKeys < num_keys; ++page)
    memcpy((uint8_t*)s.values + page * bytes, Int8Page(s.pages[page], s.head_dim).values,
           (size_t)bytes);
}

// 32 columns of the rows' values.
void mix_int8_tiles(const TileRows& t, const AttendState& out, int column, const float* worth) {
  const int width = t.s->head_dim;
  const auto* weights = (const uint8_t*)t.s->weights;
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  for (int key = 0; key < t.num_keys; key += kBytesPerTile) {
    const auto* values = (const uint8_t*)t.s->values + key * width + column * kGroup;
    tile_load<4>(weights + key, 2 * kSplitKeys);
    tile_load<5>(weights + kSplitKeys + key, 2 * kSplitKeys);
    tile_load<6>(values, width * kGroup);
    tile_dot_unsigned_signed<0, 4, 6>();
    tile_dot_unsigned_signed<1, 5, 6>();
    tile_load<7>(values + 64, width * kGroup);
    tile_dot_unsigned_signed<2, 4, 7>();
    tile_dot_unsigned_signed<3, 5, 7>();
  }
  TileOfInts sums[4];
  tile_store<0>(sums[0].row, 64);
  tile_store<1>(sums[1].row, 64);
  tile_store<2>(sums[2].row, 64);
  tile_store<3>(sums[3].row, 64);
  for (int r = 0; r < t.num_rows; ++r)
    for (int half = 0; half < 2; ++half) {
      const Lanes high = to_floats(load_ints(sums[2 * half].row[r]));
      const Lanes low = to_floats(load_ints(sums[2 * half + 1].row[r]));
      store(out.value + (int64_t)(t.row + r) * width + column + 16 * half,
            mul(fma(high, all(256), low), all(worth[r])));
    }
}

void attend_int8_tile_rows(const AttendSplit& s, const AttendState& out, int row, int num_rows) {
  const int num_keys = keys_of_rows(s, row, num_rows);
  const TileRows t{
      &s, s.scores, row, num_rows, 0, num_keys, (num_keys + kPageKeys - 1) / kPageKeys};
  t.load_shapes();
  if (t.num_keys > 0) score_int8_tiles(t);
  float worth[kTileRows];
  for (int r = 0; r < num_rows; ++r)
    worth[r] = weigh_int8(s, out, row + r, r, t.num_keys, [](int) {});
  for (int column = 0; column < s.head_dim; column += 32) mix_int8_tiles(t, out, column, worth);
}

// CacheKernels::attend of an int8 cache. Few rows, and heads that are not whole tiles, go without.
void attend_int8_amx(const AttendSplit& s, const AttendState& out) {
  constexpr int kFewRows = 8;
  if (s.num_rows < kFewRows || s.head_dim % kBytesPerTile != 0) return attend<Int8Rows>(s, out);
  gather_values(s, keys_of_rows(s, 0, s.num_rows));
  for (int row = 0; row < s.num_rows; row += kTileRows) {
    const int left = s.num_rows - row;
    attend_int8_tile_rows(s, out, row, left < kTileRows ? left : kTileRows);
  }
  tile_release();
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
