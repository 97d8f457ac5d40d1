// Attention over an int8 cache. Queries and weights are whole numbers of about 15 and 16 bits, in
// two planes of bytes; a product of planes adds up exactly, so neither order nor instruction set
// can change a bit.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

constexpr int kGroup = kv_together(KvType::kInt8);  // bytes that a product takes together
constexpr float kKeyLevels = 127, kQueryLevels = 127 * 128, kWeightLevels = 255 * 256;

// One kv head's part of a page, in bytes of either sign.
struct Int8Page {
  const uint8_t *keys, *values;
  const float *key_scales, *value_scales;

  Int8Page(KvPage page, int head_dim)
      : keys((const uint8_t*)page.keys),
        values((const uint8_t*)page.values),
        key_scales((const float*)(keys + kPageKeys * padded_key_dim(KvType::kInt8, head_dim))),
        value_scales(key_scales + kPageKeys) {}
};

// x / scale, rounded to whole numbers of at most `levels`; returns the scale. Of what is not finite
// the scale is NaN.
float to_levels(float* x, int n, float levels) {
  Lanes largest = all(0), total = all(0);
  const auto take = [&](Lanes v) {
    const Lanes size = max(v, sub(all(0), v));
    largest = max(largest, size);
    total = add(total, mul(size, all(0)));  // NaN if v is not finite
  };
  over(
      n, [&](int64_t i) { take(load(x + i)); },
      [&](int64_t i, int rest) { take(load_first(x + i, rest, 0)); });
  const float top = max_of(largest), nothing = sum_of(total);
  const Lanes per = all(top > 1e-30f && nothing == 0 ? levels / top : 0);
  const auto level = [=](Lanes v) { return nearest(mul(v, per)); };
  over(
      n, [=](int64_t i) { store(x + i, level(load(x + i))); },
      [=](int64_t i, int rest) { store_first(x + i, level(load_first(x + i, rest, 0)), rest); });
  return top / levels + nothing;
}

// A whole number as 128 high + low, both int8.
void take_query_int8(const float* q, float factor, int head_dim, void* out) {
  const int dims = padded_key_dim(KvType::kInt8, head_dim);
  float levels[kMaxInt8HeadDim];
  scale_n(q, factor / (float)rotation_block(head_dim), head_dim, levels);
  rotate(levels, head_dim);
  Int8Query head{to_levels(levels, head_dim, kQueryLevels), 0, 0};
  int8_t* high = (int8_t*)out + sizeof head;
  int8_t* low = high + dims;
  memset(high, 0, 2 * (size_t)dims);
  int32_t sum_high = 0, sum_low = 0;
  for (int d = 0; d < head_dim; ++d) {
    const int level = levels[d] == levels[d] ? (int)levels[d] : 0;
    high[d] = (int8_t)((level + 64) >> 7);
    low[d] = (int8_t)(level - 128 * high[d]);
    sum_high += high[d];
    sum_low += low[d];
  }
  head.start_high = -128 * sum_high;
  head.start_low = -128 * sum_low;
  memcpy(out, &head, sizeof head);
}

// Bytes of one token's key or value, a group of them at every `stride`; `bias` makes them unsigned.
void spread_row(const float* x, int head_dim, int bias, uint8_t* out, int stride, float* scale) {
  float levels[kMaxInt8HeadDim];
  memcpy(levels, x, (size_t)head_dim * sizeof *x);
  rotate(levels, head_dim);
  *scale = to_levels(levels, head_dim, kKeyLevels);
  for (int d = 0; d < head_dim; ++d) {
    const int level = levels[d] == levels[d] ? (int)levels[d] : 0;
    out[bias ? d / kGroup * stride + d % kGroup : d * stride] = (uint8_t)(level + bias);
  }
}

void store_int8(const NewTokens& n, KvPage page) {
  const Int8Page p(page, n.head_dim);
  const int width = padded_head_dim(n.head_dim);
  for (int t = 0; t < n.num_tokens; ++t) {
    const int slot = n.first_slot + t;
    spread_row(n.keys + t * n.stride, n.head_dim, 128, (uint8_t*)p.keys + slot * kGroup,
               kPageKeys * kGroup, (float*)p.key_scales + slot);
    spread_row(n.values + t * n.stride, n.head_dim, 0,
               (uint8_t*)p.values + slot / kGroup * width * kGroup + slot % kGroup, kGroup,
               (float*)p.value_scales + slot);
  }
}

// The rows' value, turned back.
void give_value_int8(float* value, float factor, int head_dim, float* y) {
  rotate(value, head_dim);
  scale_n(value, factor / (float)rotation_block(head_dim), head_dim, y);
}

// scores[r][key] = q[r] · k[key] / the scale of q[r] for N rows, a page of 32 keys at a time: keys
// in lanes.
template <int N, Ask kAsk>
void score_rows_int8(const AttendSplit& s, const Parts& parts, int row, int num_keys) {
  const int dims = padded_key_dim(KvType::kInt8, s.head_dim);
  const int64_t query_bytes = kv_query_bytes(KvType::kInt8, s.head_dim);
  Int8Query q[N];
  const uint8_t* planes[N];
  for (int r = 0; r < N; ++r) {
    const auto* at = (const uint8_t*)s.q + (row + r) * query_bytes;
    memcpy(&q[r], at, sizeof q[r]);
    planes[r] = at + sizeof q[r];
  }
  for (int begin = 0; begin < num_keys; begin += kPageKeys) {
    const int page = begin / kPageKeys;
    const Int8Page p(s.pages[page], s.head_dim);
    const uint8_t* ahead = parts.ahead_of_keys(page);
    Ints high[N][2], low[N][2];
    PRONK_UNROLL
    for (int r = 0; r < N; ++r) {
      high[r][0] = high[r][1] = all_ints(q[r].start_high);
      low[r][0] = low[r][1] = all_ints(q[r].start_low);
    }
    for (int d = 0; d < dims; d += kGroup) {
      const Bytes k0 = load_bytes(p.keys + d * kPageKeys);
      const Bytes k1 = load_bytes(p.keys + d * kPageKeys + 64);
      ask<kAsk>(ahead + d * kPageKeys);
      ask<kAsk>(ahead + d * kPageKeys + 64);
      PRONK_UNROLL
      for (int r = 0; r < N; ++r) {
        const Bytes h = all_bytes(planes[r] + d), l = all_bytes(planes[r] + dims + d);
        high[r][0] = dot_bytes(high[r][0], k0, h);
        high[r][1] = dot_bytes(high[r][1], k1, h);
        low[r][0] = dot_bytes(low[r][0], k0, l);
        low[r][1] = dot_bytes(low[r][1], k1, l);
      }
    }
    PRONK_UNROLL
    for (int r = 0; r < N; ++r) PRONK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const Lanes sum = fma(to_floats(high[r][half]), all(128), to_floats(low[r][half]));
      store(s.scores + r * kSplitKeys + begin + 16 * half,
            mul(sum, load(p.key_scales + 16 * half)));
    }
  }
}

// Row `row` of a split, its scores those of row r of the scratch: weights times the scales of their
// values, as whole numbers 256 high + low in two planes [kSplitKeys] of bytes. Returns what 1 is
// worth, NaN if a value is not finite. Meanwhile ask_ahead(key) for every 16 keys.
template <class AskAhead>
float weigh_int8(const AttendSplit& s, const AttendState& out, int row, int r, int num_keys,
                 AskAhead ask_ahead) {
  float* products = s.scores + r * kSplitKeys;
  auto* planes = (uint8_t*)s.weights + r * 2 * kSplitKeys;
  const auto* q = (const uint8_t*)s.q + row * kv_query_bytes(KvType::kInt8, s.head_dim);
  float query_scale;
  memcpy(&query_scale, q + offsetof(Int8Query, scale), sizeof query_scale);
  const int num_levels = (num_keys + 63) / 64 * 64;
  const int num_visible = s.num_visible[row];
  out.max[row] = num_visible > 0 ? query_scale * largest_score(products, num_visible) : 0;
  Lanes largest = all(0), total = all(0);
  out.sum[row] =
      weigh_row<false>(products, query_scale, out.max[row], num_visible, num_levels,
                       [&](int i, int count, Lanes weight) {
                         if (count == 0) return store(products + i, all(0));
                         ask_ahead(i);
                         const Int8Page page(s.pages[i / kPageKeys], s.head_dim);
                         const float* scales = page.value_scales + i % kPageKeys;
                         const Lanes product =
                             mul(weight, count == 16 ? load(scales) : load_first(scales, count, 0));
                         store(products + i, product);
                         largest = max(largest, product);
                         total = add(total, product);
                       });
  const float top = max_of(largest), nothing = sum_of(total) * 0;  // or NaN
  const Lanes per = all(top > 1e-30f && nothing == 0 ? kWeightLevels / top : 0);
  for (int i = 0; i < num_levels; i += 64) {
    Lanes levels[4];
    for (int j = 0; j < 4; ++j) levels[j] = mul(load(products + i + 16 * j), per);
    store_bytes(levels, planes + kSplitKeys + i, planes + i);
  }
  return top / kWeightLevels + nothing;
}

// value[r] = Σ over keys of weight · v for N rows and W x 16 columns: columns in lanes.
template <int N, int W, Ask kAsk>
void mix_columns_int8(const AttendSplit& s, const Parts& parts, const AttendState& out, int row,
                      int column, int num_keys, const float* worth) {
  const int width = padded_head_dim(s.head_dim);
  const auto* planes = (const uint8_t*)s.weights;
  Ints high[N][W], low[N][W];
  PRONK_UNROLL
  for (int r = 0; r < N; ++r) {
    PRONK_UNROLL
    for (int w = 0; w < W; ++w) high[r][w] = low[r][w] = all_ints(0);
  }
  for (int begin = 0; begin < num_keys; begin += kPageKeys) {
    const int page = begin / kPageKeys;
    const uint8_t* values = Int8Page(s.pages[page], s.head_dim).values + column * kGroup;
    const uint8_t* ahead = parts.ahead_of_values(page) + column * kGroup;
    const int left = num_keys - begin, count = left < kPageKeys ? left : kPageKeys;
    for (int i = 0; i < count; i += kGroup) {
      Bytes v[W];
      PRONK_UNROLL
      for (int w = 0; w < W; ++w) {
        v[w] = load_bytes(values + 64 * w);
        ask<kAsk>(ahead + 64 * w);
      }
      PRONK_UNROLL
      for (int r = 0; r < N; ++r) {
        const uint8_t* weights = planes + r * 2 * kSplitKeys + begin + i;
        const Bytes h = all_bytes(weights), l = all_bytes(weights + kSplitKeys);
        PRONK_UNROLL
        for (int w = 0; w < W; ++w) {
          high[r][w] = dot_bytes(high[r][w], h, v[w]);
          low[r][w] = dot_bytes(low[r][w], l, v[w]);
        }
      }
      values += width * kGroup;
      ahead += width * kGroup;
    }
  }
  PRONK_UNROLL
  for (int r = 0; r < N; ++r) PRONK_UNROLL
  for (int w = 0; w < W; ++w) {
    const Lanes sum = fma(to_floats(high[r][w]), all(256), to_floats(low[r][w]));
    store(out.value + (int64_t)(row + r) * width + column + 16 * w, mul(sum, all(worth[r])));
  }
}

// All columns from `column` on, W lanes at a time and then fewer.
template <int N, int W, Ask kAsk>
void mix_values_int8(const AttendSplit& s, const Parts& parts, const AttendState& out, int row,
                     int column, int num_keys, const float* worth) {
  const int width = padded_head_dim(s.head_dim);
  for (; column + 16 * W <= width; column += 16 * W)
    mix_columns_int8<N, W, kAsk>(s, parts, out, row, column, num_keys, worth);
  if constexpr (W > 1)
    if (column < width)
      mix_values_int8<N, W / 2, kAsk>(s, parts, out, row, column, num_keys, worth);
}

struct Int8Rows {
  static constexpr int kMost = kAccumulators / 4;

  template <int N, Ask kAsk>
  static void attend(const AttendSplit& s, const AttendState& out, int row) {
    const int num_keys = keys_of_rows(s, row, N);
    const Parts parts(s, kGroup, num_keys);
    score_rows_int8<N, kAsk>(s, parts, row, num_keys);
    float worth[N];
    for (int r = 0; r < N; ++r)
      worth[r] = weigh_int8(s, out, row + r, r, num_keys, WeighingAsks<kAsk>(parts, row + r));
    constexpr int kWidth = kMost / N >= 4 ? 4 : kMost / N >= 2 ? 2 : 1;
    mix_values_int8<N, 2 * kWidth, kAsk>(s, parts, out, row, 0, num_keys, worth);
  }
};

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
