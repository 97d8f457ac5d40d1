// Attention of rows of queries over one split of keys, over `Lanes` and the terms of
// attend_terms.inc.h: scores, softmax, values.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

// 2^x for x <= 0; below -125 it is 2^-125, NaN stays. 2^f for |f| <= 1/2 is a polynomial with the
// least largest error among those that are 1 at 0 (fitted for this file): within 1.6e-7 of 2^x, or
// 1.1e-4 for weights that are rounded to bfloat16 (2^-9) anyway.
template <bool kToBf16 = false>
PRONK_INLINE Lanes exp2_of(Lanes x) {
  const Lanes c = max(all(-125.0f), x);
  const Lanes n = nearest(c), f = sub(c, n);
  Lanes p;
  if constexpr (kToBf16) {
    p = all(5.50089329e-2f);
    p = fma(p, f, all(2.42210969e-1f));
    p = fma(p, f, all(6.93282902e-1f));
  } else {
    p = all(1.32647273e-3f);
    p = fma(p, f, all(9.67151299e-3f));
    p = fma(p, f, all(5.55073358e-2f));
    p = fma(p, f, all(2.40222424e-1f));
    p = fma(p, f, all(6.93147004e-1f));
  }
  return times_power(fma(p, f, all(1.0f)), n);
}

// How the lines that come next are asked for, as the CPU likes it (kTuning).
enum class Ask { kNot, kIntoL1, kIntoL2 };

template <Ask kAsk>
PRONK_INLINE void ask(const uint8_t* line) {
  if constexpr (kAsk == Ask::kIntoL1) __builtin_prefetch(line, 0, 0);
  if constexpr (kAsk == Ask::kIntoL2) __builtin_prefetch(line, 0, 2);
}

// A split's parts in the order in which they are read: its pages' keys, their values, the next
// split's keys. They are asked for in that order, so many parts ahead; the first rows alone do so.
class Parts {
 public:
  Parts(const AttendSplit& s, int together, int num_keys)
      : s_(s),
        bytes_((int64_t)kPageKeys * padded_head_dim(s.head_dim) * 4 / together),
        num_pages_((num_keys + kPageKeys - 1) / kPageKeys),
        ahead_((int)((kTuning.attention_bytes + bytes_ - 1) / bytes_)) {}

  const uint8_t* ahead_of_keys(int page) const { return at(page + ahead_); }
  const uint8_t* ahead_of_values(int page) const { return at(num_pages_ + page + ahead_); }
  // The i-th piece of kPieceBytes of what comes ahead of the values.
  static constexpr int kPieceBytes = 2048;
  const uint8_t* piece_ahead_of_values(int i) const {
    const int64_t byte = (int64_t)i * kPieceBytes;
    return ahead_of_values((int)(byte / bytes_)) + byte % bytes_;
  }

 private:
  const uint8_t* at(int i) const {
    if (num_pages_ == 0) return (const uint8_t*)s_.q;  // nothing is read
    if (i < num_pages_) return (const uint8_t*)s_.pages[i].keys;
    i -= num_pages_;
    if (i < num_pages_) return (const uint8_t*)s_.pages[i].values;
    i -= num_pages_;
    return (const uint8_t*)s_.next_pages[i < num_pages_ ? i : num_pages_ - 1].keys;
  }

  const AttendSplit& s_;
  int64_t bytes_;  // of a part, but for scales
  int num_pages_, ahead_;
};

// What a row asks for while its weights are computed, which takes about as long as memory takes for
// two pieces: a line of each for 16 keys. Rows beyond the first few ask for the same again.
template <Ask kAsk>
class WeighingAsks {
 public:
  WeighingAsks(const Parts& parts, int row) {
    constexpr int kFewRows = 4;
    for (int i = 0; i < 2; ++i) at_[i] = parts.piece_ahead_of_values(2 * (row % kFewRows) + i);
  }
  PRONK_INLINE void operator()(int key) const {
    for (const uint8_t* at : at_) ask<kAsk>(at + key * (64 / 16));
  }

 private:
  const uint8_t* at_[2];
};

// scores[r][key] = q[r] · k[key] for N rows, a page of 32 keys at a time: keys in lanes.
template <int N, class Terms, Ask kAsk>
void score_rows(const AttendSplit& s, const Parts& parts, int row, int num_keys) {
  const int num_terms = s.head_dim / Terms::kTogether;
  const auto* q = (const typename Terms::Factor*)s.q + (int64_t)row * num_terms;
  for (int begin = 0; begin < num_keys; begin += kPageKeys) {
    const int page = begin / kPageKeys;
    const auto* keys = (const typename Terms::Stored*)s.pages[page].keys;
    const uint8_t* ahead = parts.ahead_of_keys(page);
    Lanes sums[N][2];
    PRONK_UNROLL
    for (int r = 0; r < N; ++r) sums[r][0] = sums[r][1] = all(0);
    for (int d = 0; d < num_terms;
         ++d, keys += kPageKeys, ahead += kPageKeys * (int64_t)sizeof *keys) {
      const auto k0 = Terms::load(keys), k1 = Terms::load(keys + 16);
      ask<kAsk>(ahead);
      ask<kAsk>(ahead + 64);
      PRONK_UNROLL
      for (int r = 0; r < N; ++r) {
        const auto a = Terms::all(q[r * num_terms + d]);
        sums[r][0] = Terms::dot(sums[r][0], a, k0);
        sums[r][1] = Terms::dot(sums[r][1], a, k1);
      }
    }
    PRONK_UNROLL
    for (int r = 0; r < N; ++r) {
      float* out = s.scores + r * kSplitKeys + begin;
      store(out, sums[r][0]);
      store(out + 16, sums[r][1]);
    }
  }
}

// The largest score among those of the keys that the row sees, one or more.
PRONK_INLINE float largest_score(const float* scores, int num_visible) {
  const int whole = num_visible / 16 * 16, rest = num_visible - whole;
  Lanes largest = all(-kInfinity), other = largest;  // two, since each waits for the one before
  int i = 0;
  for (; i + 32 <= whole; i += 32) {
    largest = max(largest, load(scores + i));
    other = max(other, load(scores + i + 16));
  }
  if (i < whole) largest = max(largest, load(scores + i));
  if (rest) other = max(other, load_first(scores + whole, rest, -kInfinity));
  return max_of(max(largest, other));
}

// 2^(factor · score - top) for the keys that the row sees, 16 at a time: put(i, count, weights)
// takes those of keys i.., of which the first `count` are seen; the others are 0. Returns their
// sum.
template <bool kToBf16, class Put>
PRONK_INLINE float weigh_row(const float* scores, float factor, float top, int num_visible,
                             int num_keys, Put put) {
  const int whole = num_visible / 16 * 16, rest = num_visible - whole;
  Lanes sum = all(0);
  const auto weight_of = [=](Lanes score) {
    return exp2_of<kToBf16>(fma(score, all(factor), all(-top)));
  };
  for (int i = 0; i < whole; i += 16) {
    const Lanes weight = weight_of(load(scores + i));
    put(i, 16, weight);
    sum = add(sum, weight);
  }
  int i = whole;
  if (rest) {
    float last[16];
    store(last, weight_of(load_first(scores + i, rest, 0)));
    const Lanes weight = load_first(last, rest, 0);
    put(i, rest, weight);
    sum = add(sum, weight);
    i += 16;
  }
  for (; i < num_keys; i += 16) put(i, 0, all(0));
  return sum_of(sum);
}

// Row `row` of a split, its scores those of row r of the scratch: weights in the numbers of Terms.
// Meanwhile ask_ahead(key) for every 16 keys.
template <class Terms, class AskAhead>
void weigh(const AttendSplit& s, const AttendState& out, int row, int r, int num_keys,
           AskAhead ask_ahead) {
  auto* weights = (typename Terms::Factor*)s.weights + r * (kSplitKeys / Terms::kTogether);
  const float* scores = s.scores + r * kSplitKeys;
  const int num_visible = s.num_visible[row];
  out.max[row] = num_visible > 0 ? largest_score(scores, num_visible) : 0;
  out.sum[row] = weigh_row<Terms::kToBf16>(
      scores, 1, out.max[row], num_visible, num_keys, [=](int i, int, Lanes weight) {
        ask_ahead(i);
        Terms::store_rounded(weights + i / Terms::kTogether, weight);
      });
}

// value[r] = Σ over keys of weight · v for N rows and W x 16 columns: columns in lanes, keys in
// order.
template <int N, int W, class Terms, Ask kAsk>
void mix_columns(const AttendSplit& s, const Parts& parts, const AttendState& out, int row,
                 int column, int num_keys) {
  using Stored = typename Terms::Stored;
  constexpr int kTerms = kSplitKeys / Terms::kTogether;
  const int width = padded_head_dim(s.head_dim);
  const auto* weights = (const typename Terms::Factor*)s.weights;
  Lanes sums[N][W];
  PRONK_UNROLL
  for (int r = 0; r < N; ++r) {
    PRONK_UNROLL
    for (int w = 0; w < W; ++w) sums[r][w] = all(0);
  }
  for (int begin = 0; begin < num_keys; begin += kPageKeys) {
    const int page = begin / kPageKeys;
    const auto* values = (const Stored*)s.pages[page].values + column;
    const uint8_t* ahead = parts.ahead_of_values(page) + column * (int64_t)sizeof(Stored);
    const int left = num_keys - begin, count = left < kPageKeys ? left : kPageKeys;
    for (int i = 0; i * Terms::kTogether < count; ++i, ++weights) {
      typename Terms::Term v[W];
      PRONK_UNROLL
      for (int w = 0; w < W; ++w) {
        v[w] = Terms::load(values + 16 * w);
        ask<kAsk>(ahead + 64 * w);
      }
      PRONK_UNROLL
      for (int r = 0; r < N; ++r) {
        const auto a = Terms::all(weights[r * kTerms]);
        PRONK_UNROLL
        for (int w = 0; w < W; ++w) sums[r][w] = Terms::dot(sums[r][w], a, v[w]);
      }
      values += width;
      ahead += width * (int64_t)sizeof(Stored);
    }
  }
  PRONK_UNROLL
  for (int r = 0; r < N; ++r) PRONK_UNROLL
  for (int w = 0; w < W; ++w)
    store(out.value + (int64_t)(row + r) * width + column + 16 * w, sums[r][w]);
}

// All columns from `column` on, W lanes at a time and then fewer.
template <int N, int W, class Terms, Ask kAsk>
void mix_values(const AttendSplit& s, const Parts& parts, const AttendState& out, int row,
                int column, int num_keys) {
  const int width = padded_head_dim(s.head_dim);
  for (; column + 16 * W <= width; column += 16 * W)
    mix_columns<N, W, Terms, kAsk>(s, parts, out, row, column, num_keys);
  if constexpr (W > 1)
    if (column < width) mix_values<N, W / 2, Terms, kAsk>(s, parts, out, row, column, num_keys);
}

// How many keys any of the rows sees.
PRONK_INLINE int keys_of_rows(const AttendSplit& s, int row, int num_rows) {
  int num_keys = 0;
  for (int r = row; r < row + num_rows; ++r)
    num_keys = s.num_visible[r] > num_keys ? s.num_visible[r] : num_keys;
  return num_keys;
}

template <int N, class Terms, Ask kAsk>
void attend_rows(const AttendSplit& s, const AttendState& out, int row) {
  static_assert(N <= kMaxQueryRows);
  const int num_keys = keys_of_rows(s, row, N);
  const Parts parts(s, Terms::kTogether, num_keys);
  score_rows<N, Terms, kAsk>(s, parts, row, num_keys);
  for (int r = 0; r < N; ++r)
    weigh<Terms>(s, out, row + r, r, num_keys, WeighingAsks<kAsk>(parts, row + r));
  constexpr int kWidth = kAccumulators / N >= 4 ? 4 : kAccumulators / N >= 2 ? 2 : 1;
  mix_values<N, kWidth, Terms, kAsk>(s, parts, out, row, 0, num_keys);
}

template <class Terms>
struct FloatRows {
  static constexpr int kMost = kAccumulators / 2;
  template <int N, Ask kAsk>
  static void attend(const AttendSplit& s, const AttendState& out, int row) {
    attend_rows<N, Terms, kAsk>(s, out, row);
  }
};

// The rows from `row` on, N at a time and then fewer.
template <int N, class Rows>
void attend_from(const AttendSplit& s, const AttendState& out, int row) {
  for (; row + N <= s.num_rows; row += N)
    if (row > 0)
      Rows::template attend<N, Ask::kNot>(s, out, row);
    else if (kTuning.attention_into_l2)
      Rows::template attend<N, Ask::kIntoL2>(s, out, row);
    else
      Rows::template attend<N, Ask::kIntoL1>(s, out, row);
  if constexpr (N > 1)
    if (row < s.num_rows) attend_from<(N > 4 ? (N > 8 ? 8 : 4) : N - 1), Rows>(s, out, row);
}

template <class Rows>
void attend(const AttendSplit& s, const AttendState& out) {
  attend_from<Rows::kMost, Rows>(s, out, 0);
}

// state and part of one row brought to the same max, which is returned: factors[0] and factors[1].
float common_max(float state, float part, float (&factors)[2]) {
  const float top = state > part ? state : part;
  float exponents[16] = {state - top, part - top}, powers[16];
  store(powers, exp2_of(load(exponents)));
  factors[0] = powers[0];
  factors[1] = powers[1];
  return top;
}

void fold(const AttendState& state, const AttendState& part, int num_rows, int head_dim) {
  const int width = padded_head_dim(head_dim);
  for (int r = 0; r < num_rows; ++r) {
    if (part.sum[r] == 0) continue;  // it saw no key: the sum over one or more is at least 1
    float* value = state.value + (int64_t)r * width;
    const float* more = part.value + (int64_t)r * width;
    float factors[2];
    state.max[r] = common_max(state.max[r], part.max[r], factors);
    const Lanes keep = all(factors[0]), take = all(factors[1]);
    for (int i = 0; i < width; i += 16)
      store(value + i, fma(load(more + i), take, mul(load(value + i), keep)));
    state.sum[r] = __builtin_fmaf(part.sum[r], factors[1], state.sum[r] * factors[0]);
  }
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
