// Rows of activations as integers or bf16. The operations, and so the bits, are the same for all
// sets: plain loops, and for AVX-512 the same with 16 blocks of a row, then 16 blocks of any, in a
// register's lanes.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kBlock = kActivationBlock;

PRONK_INLINE int32_t bits_of(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// To the nearest integer, ties to even, for |x| < 2^22: 1.5 · 2^23 leaves it in the last places.
[[maybe_unused]] PRONK_INLINE int32_t rounded(float x) {
  return bits_of(x + 12582912.0f) - bits_of(12582912.0f);
}

constexpr int32_t kTiny = 0x0d800000;      // 2^-100: below it max / |x| has no room; counts as 0
constexpr int32_t kInfinite = 0x7f800000;  // infinity or NaN
constexpr int kSums = 16;                  // of a row's squares: block b adds to number b % 16

// How far activations reach (Activations::max), and what the scale² of a row's block must be above
// to stand out.
struct Range {
  int max, units;
  float float_max, float_units, low_unit;
  double thresholds[2 * kTileTokens] = {};  // by token; then again from the first on

  PRONK_INLINE explicit Range(int m)
      : max(m),
        units(low_units(m)),
        float_max(static_cast<float>(m)),
        float_units(static_cast<float>(low_units(m))),
        low_unit(1 / float_units) {}

  void set_threshold(int t, const double (&squares)[kSums], int64_t num_blocks) {
    double all = 0;
    for (const double s : squares) all += s;
    thresholds[t] = stands_out(max) * all / static_cast<double>(num_blocks);
  }
};

#if defined(__AVX512F__)

PRONK_INLINE Ints max_of_lanes(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
template <int kFirst, int kSecond>
PRONK_INLINE Ints max_of_quarters(Ints a, Ints b) {
  return max_of_lanes(_mm512_shuffle_i32x4(a, b, kFirst), _mm512_shuffle_i32x4(a, b, kSecond));
}

// Lane i: the largest of the bits of |x| in block i of 16, as integers, which order as the
// magnitudes do, NaN above infinity. Blocks from num_blocks on: 0.
PRONK_INLINE Ints largest_magnitudes(const float* x, int num_blocks) {
  const Ints magnitude = _mm512_set1_epi32(0x7fffffff);
  Ints of_block[16];
  for (int i = 0; i < 16; ++i, x += kBlock)
    of_block[i] = i < num_blocks
                      ? max_of_lanes(_mm512_and_si512(_mm512_loadu_si512(x), magnitude),
                                     _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude))
                      : zero_ints();
  Ints of_four[4];  // number v: blocks v, 4 + v, 8 + v, 12 + v, a quarter each
  PRONK_UNROLL
  for (int v = 0; v < 4; ++v)
    of_four[v] =
        max_of_quarters<0x88, 0xdd>(max_of_quarters<0x44, 0xee>(of_block[v], of_block[4 + v]),
                                    max_of_quarters<0x44, 0xee>(of_block[8 + v], of_block[12 + v]));
  Ints pairs[2];
  PRONK_UNROLL
  for (int i = 0; i < 2; ++i)
    pairs[i] = max_of_lanes(_mm512_unpacklo_epi32(of_four[i], of_four[2 + i]),
                            _mm512_unpackhi_epi32(of_four[i], of_four[2 + i]));
  return max_of_lanes(_mm512_unpacklo_epi32(pairs[0], pairs[1]),
                      _mm512_unpackhi_epi32(pairs[0], pairs[1]));
}

// h and s of x ≈ s · h, and the row's threshold.
void quantize_high(const float* x, const Activations& out, int t, Range& range) {
  const int64_t num_blocks = out.num_blocks(), stride = out.num_rows;
  int8_t* high = out.high + t * kBlock;
  __m512d squares[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
  for (int64_t first = 0; first < num_blocks; first += 16, x += 16 * kBlock) {
    const int count = num_blocks - first < 16 ? static_cast<int>(num_blocks - first) : 16;
    const Ints largest = largest_magnitudes(x, count);
    const __mmask16 is_tiny = _mm512_cmplt_epi32_mask(largest, broadcast_int(kTiny));
    const __mmask16 is_infinite = _mm512_cmpge_epi32_mask(largest, broadcast_int(kInfinite));
    const Floats max = as_floats(largest);
    alignas(64) float factors[16], scales[16];
    store(factors, _mm512_div_ps(broadcast(range.float_max), max), 16);
    Floats scale =
        _mm512_maskz_div_ps(static_cast<__mmask16>(~is_tiny), max, broadcast(range.float_max));
    scale = _mm512_mask_mov_ps(scale, is_infinite, broadcast(__builtin_nanf("")));
    store(scales, scale, 16);
    for (int half = 0; half < 2; ++half) {
      const __m512d s = _mm512_cvtps_pd(half == 0 ? _mm512_castps512_ps256(scale)
                                                  : _mm512_extractf32x8_ps(scale, 1));
      squares[half] = _mm512_add_pd(squares[half], _mm512_mul_pd(s, s));
    }
    const unsigned zeros = static_cast<unsigned>(is_tiny | is_infinite);
    for (int i = 0; i < count; ++i, high += stride * kBlock) {
      out.scales[(first + i) * stride + t] = scales[i];
      if (__builtin_expect(zeros >> i & 1, 0)) {
        memset(high, 0, kBlock);
        continue;
      }
      for (int k = 0; k < kBlock; k += 16) {
        const Floats values = _mm512_loadu_ps(x + i * kBlock + k);
        const Ints whole = _mm512_cvtps_epi32(multiply(values, broadcast(factors[i])));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(high + k), _mm512_cvtsepi32_epi8(whole));
      }
    }
  }
  double sums[kSums];
  for (int half = 0; half < 2; ++half) _mm512_storeu_pd(sums + 8 * half, squares[half]);
  range.set_threshold(t, sums, num_blocks);
}

// The second plane of a block that stands out, l of x ≈ s · (h + l / units).
PRONK_INLINE __m256i quantize_low(const float* x, const int8_t* high, float scale,
                                  const Range& range) {
  const Floats factor = broadcast(range.float_units / scale);
  __m128i halves[2];
  for (int i = 0; i < 2; ++i, x += 16, high += 16) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(high));
    const Floats coarse = multiply(broadcast(scale), to_floats(_mm512_cvtepi8_epi32(h)));
    const Floats rest = _mm512_sub_ps(_mm512_loadu_ps(x), coarse);
    const Ints whole = _mm512_cvtps_epi32(multiply(rest, factor));
    const Ints bounded = _mm512_min_epi32(_mm512_max_epi32(whole, broadcast_int(-range.max)),
                                          broadcast_int(range.max));
    halves[i] = _mm512_cvtepi32_epi8(bounded);
  }
  return _mm256_set_m128i(halves[1], halves[0]);
}

constexpr int kLanes = 16;  // blocks at once

// Lane i: Σ of columns 0-15, and of 16-31, of block i of values[num_blocks, 32], kLanes at most.
struct HalfSums {
  Ints of[2];
};
PRONK_INLINE HalfSums half_sums(const int8_t* values, int num_blocks) {
  // Distances from -128, eight values at a time, in 8 quads: half h of block 2 i + j is the sum of
  // quads 4 j + 2 h and the next one of quads[i].
  Ints quads[kLanes / 2];
  PRONK_UNROLL
  for (int i = 0; i < kLanes / 2; ++i) {
    const __mmask16 lanes = first_lanes(8 * (num_blocks - 2 * i));
    const Ints x = _mm512_maskz_loadu_epi32(lanes, values + 2 * i * kBlock);
    quads[i] = _mm512_sad_epu8(_mm512_xor_si512(x, _mm512_set1_epi8(-128)), zero_ints());
  }
  Ints eight[2];  // blocks 8 n ..
  PRONK_UNROLL
  for (int n = 0; n < 2; ++n) {
    Ints four[2];  // their sums, in quads: blocks 0, 2, 0, 2, 1, 3, 1, 3, halves 0, 0, 1, 1, ...
    PRONK_UNROLL
    for (int i = 0; i < 2; ++i) {
      const Ints a = quads[4 * n + 2 * i], b = quads[4 * n + 2 * i + 1];
      four[i] = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    eight[n] = either(four[0], _mm512_slli_epi64(four[1], 32));
  }
  const Ints first = _mm512_setr_epi32(0, 8, 2, 10, 1, 9, 3, 11, 16, 24, 18, 26, 17, 25, 19, 27);
  HalfSums out;
  for (int h = 0; h < 2; ++h) {
    const Ints places = add(first, broadcast_int(4 * h));
    out.of[h] = add(_mm512_permutex2var_epi32(eight[0], places, eight[1]), broadcast_int(-2048));
  }
  return out;
}

// Lane i: what the sums of block i start with where pairs are multiplied, for weights less half
// their range.
PRONK_INLINE Ints pair_starts(const int8_t* values, int num_blocks, int half_range) {
  constexpr int kOfBlock = (1 << kPairedWords) - 1;
  const auto first_halves = static_cast<__mmask16>(kOfBlock | kOfBlock << 8);
  const auto paired = static_cast<__mmask16>(kOfBlock * 0x1111);
  const Ints otherwise =
      _mm512_mask_mov_epi32(_mm512_set1_epi8(static_cast<char>(half_range)), paired, zero_ints());
  Ints lanes[kLanes / 2];  // eight of block 2 i, eight of the next
  PRONK_UNROLL
  for (int i = 0; i < kLanes / 2; ++i) {
    const Ints x =
        _mm512_maskz_loadu_epi32(first_lanes(8 * (num_blocks - 2 * i)), values + 2 * i * kBlock);
    const Ints partners =
        _mm512_xor_si512(_mm512_shuffle_i64x2(x, x, 0xb1), _mm512_set1_epi8(-128));
    const Ints factors = _mm512_mask_mov_epi32(otherwise, first_halves, partners);
    lanes[i] = _mm512_dpbusd_epi32(zero_ints(), factors, x);
  }
  // Quarters, of four blocks each: halves 0, 1 of blocks 2 i, halves 0, 1 of the next.
  Ints four[2];
  PRONK_UNROLL
  for (int n = 0; n < 2; ++n) {
    Ints two[2];
    PRONK_UNROLL
    for (int i = 0; i < 2; ++i) {
      const Ints a = lanes[4 * n + 2 * i], b = lanes[4 * n + 2 * i + 1];
      two[i] = add(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
    four[n] = add(_mm512_unpacklo_epi64(two[0], two[1]), _mm512_unpackhi_epi64(two[0], two[1]));
  }
  const Ints sums = add(_mm512_shuffle_i32x4(four[0], four[1], 0x88),
                        _mm512_shuffle_i32x4(four[0], four[1], 0xdd));
  const Ints order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return subtract(zero_ints(), _mm512_permutexvar_epi32(order, sums));
}

// Which places of those with these scales, the first of token t, stand out.
PRONK_INLINE unsigned places_that_stand_out(Floats scales, SecondPlane rule, const Range& range,
                                            int t) {
  const __mmask16 positive = _mm512_cmp_ps_mask(scales, zero_floats(), _CMP_GT_OQ);
  if (rule == SecondPlane::kHigh) return positive;
  unsigned above = 0;
  for (int half = 0; half < 2; ++half) {
    const __m512d s = _mm512_cvtps_pd(half == 0 ? _mm512_castps512_ps256(scales)
                                                : _mm512_extractf32x8_ps(scales, 1));
    const __m512d threshold = _mm512_loadu_pd(range.thresholds + t + 8 * half);
    above |= static_cast<unsigned>(_mm512_cmp_pd_mask(_mm512_mul_pd(s, s), threshold, _CMP_GT_OQ))
             << 8 * half;
  }
  return above & positive;
}

// What follows from the scales and first planes of `count` places from `at` on; returns which of
// them stand out, whose second planes go to `low`. Place b · n + t is block b of token t, as they
// lie in all arrays, so that a register's lanes are as full of one token's blocks as of a block's
// tokens.
PRONK_INLINE unsigned finish_places(const float* x, int64_t at, int count, SecondPlane rule,
                                    const Range& range, const Activations& out, LowBlock* low) {
  const int64_t n = out.num_rows, num_places = out.num_blocks() * n;
  const Floats scales = load_first(out.scales + at, count);
  const unsigned standing_out =
      places_that_stand_out(scales, rule, range, static_cast<int>(at % n));
  const auto stands_out = static_cast<__mmask16>(standing_out);
  const auto save = [](void* to, int64_t place, Ints values, int num) {
    store(static_cast<float*>(to) + place, as_floats(values), num);
  };
  // The sums of `num` places' values, as integers; returns those of the halves.
  const auto save_sums = [&](const int8_t* values, int num, int32_t* negated, int32_t* pairs,
                             int64_t apart) {
    const HalfSums sums = half_sums(values, num);
    const Ints all = add(sums.of[0], sums.of[1]);
    save(negated, 0, subtract(zero_ints(), sums.of[0]), num);
    save(negated, apart, subtract(zero_ints(), sums.of[1]), num);
    save(negated, 2 * apart, subtract(zero_ints(), all), num);
    if constexpr (kPairedWords > 0) {
      const int half_range = 128 - range.max;
      const Ints centred = pair_starts(values, num, half_range);
      save(pairs, 0, add(centred, multiply(all, half_range)), num);
      save(pairs, apart, centred, num);
    }
    return sums;
  };
  HalfSums sums = save_sums(out.high + at * kBlock, count, out.negated_high + at,
                            out.pairs_high + at, num_places);
  Floats unit = scales;
  if (standing_out != 0) {
    alignas(64) int8_t values[kLanes][kBlock];  // of those that stand out
    int num = 0;
    for (unsigned left = standing_out; left != 0; left &= left - 1, ++num) {
      const int64_t place = at + __builtin_ctz(left), b = place / n, t = place % n;
      const float scale = out.scales[place];
      const __m256i of_place =
          quantize_low(x + t * out.columns + b * kBlock, out.high + place * kBlock, scale, range);
      _mm256_store_si256(reinterpret_cast<__m256i*>(values[num]), of_place);
      _mm256_store_si256(reinterpret_cast<__m256i*>(low[num].values), of_place);
      low[num].scale = scale * range.low_unit;
      low[num].row = out.first_row + static_cast<int32_t>(t);
    }
    int32_t negated[kBlockSums][kLanes], pairs[kPairStarts][kLanes];
    const HalfSums rest = save_sums(values[0], num, negated[0], pairs[0], kLanes);
    for (int i = 0; i < num; ++i, ++low) {
      for (int h = 0; h < kBlockSums; ++h) low->negated_sums[h] = negated[h][i];
      if constexpr (kPairedWords > 0)
        for (int h = 0; h < kPairStarts; ++h) low->pair_starts[h] = pairs[h][i];
    }
    for (int h = 0; h < 2; ++h)
      sums.of[h] = _mm512_mask_add_epi32(sums.of[h], stands_out, multiply(sums.of[h], range.units),
                                         _mm512_maskz_expand_epi32(stands_out, rest.of[h]));
    unit = _mm512_mask_div_ps(scales, stands_out, scales, broadcast(range.float_units));
  }
  float* scaled_sums = out.scaled_sums + at;
  save(scaled_sums, 0, as_ints(multiply(unit, to_floats(sums.of[0]))), count);
  save(scaled_sums, num_places, as_ints(multiply(unit, to_floats(sums.of[1]))), count);
  save(scaled_sums, 2 * num_places, as_ints(multiply(unit, to_floats(add(sums.of[0], sums.of[1])))),
       count);
  return standing_out;
}

// What follows from the scales and first planes of a tile.
PRONK_INLINE void finish_tile(const float* x, SecondPlane rule, Range& range,
                              const Activations& out) {
  const int64_t n = out.num_rows, num_places = out.num_blocks() * n;
  for (int64_t t = n; t < n + kLanes - 1; ++t) range.thresholds[t] = range.thresholds[t - n];
  int32_t num_low = 0;
  int32_t* end = out.low_ends;
  for (int64_t at = 0; at < num_places; at += kLanes) {
    const int count = num_places - at < kLanes ? static_cast<int>(num_places - at) : kLanes;
    const unsigned standing_out = finish_places(x, at, count, rule, range, out, out.low + num_low);
    for (int64_t last = n - 1 - at % n; last < count; last += n)  // of a block
      *end++ = num_low + __builtin_popcount(standing_out & ((2u << last) - 1));
    num_low += __builtin_popcount(standing_out);
  }
}

#else

// The second plane of a block that stands out, l of x ≈ s · (h + l / units).
PRONK_INLINE void quantize_low(const float* x, const int8_t* high, float scale, const Range& range,
                               int8_t* low) {
  const float factor = range.float_units / scale;
  for (int i = 0; i < kBlock; ++i) {
    const int32_t l = rounded((x[i] - scale * static_cast<float>(high[i])) * factor);
    low[i] = static_cast<int8_t>(l > range.max ? range.max : l < -range.max ? -range.max : l);
  }
}

PRONK_INLINE int32_t sum16(const int8_t* x) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += x[i];
  return sum;
}

// h and s of x ≈ s · h; returns s.
PRONK_INLINE float quantize_block(const float* x, const Range& range, int8_t* high) {
  int32_t largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    const int32_t magnitude = bits_of(x[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  if (largest < kTiny || largest >= kInfinite) {
    memset(high, 0, kBlock);
    return largest < kTiny ? 0 : __builtin_nanf("");
  }
  float max;
  memcpy(&max, &largest, sizeof max);
  const float factor = range.float_max / max;
  for (int i = 0; i < kBlock; ++i) high[i] = static_cast<int8_t>(rounded(x[i] * factor));
  return max / range.float_max;
}

// h and s of a row, and its threshold.
void quantize_high(const float* x, const Activations& out, int t, Range& range) {
  const int64_t num_blocks = out.num_blocks(), stride = out.num_rows;
  double squares[kSums] = {};
  for (int64_t b = 0; b < num_blocks; ++b) {
    const int64_t at = b * stride + t;
    const float scale = quantize_block(x + b * kBlock, range, out.high + at * kBlock);
    out.scales[at] = scale;
    squares[b % kSums] += static_cast<double>(scale) * scale;
  }
  range.set_threshold(t, squares, num_blocks);
}

// −Σ of columns 0-15, 16-31 and all.
PRONK_INLINE void sum_block(const int8_t* values, int32_t (&negated)[kBlockSums]) {
  for (int h = 0; h < 2; ++h) negated[h] = -sum16(values + 16 * h);
  negated[2] = negated[0] + negated[1];
}

// What follows from the scales and first planes of a tile.
PRONK_INLINE void finish_tile(const float* x, SecondPlane rule, const Range& range,
                              const Activations& out) {
  const int64_t stride = out.num_blocks() * int64_t{out.num_rows};
  LowBlock* low = out.low;
  for (int b = 0; b < out.num_blocks(); ++b) {
    for (int t = 0; t < out.num_rows; ++t) {
      const int64_t at = int64_t{b} * out.num_rows + t;
      const float scale = out.scales[at];
      const int8_t* high = out.high + at * kBlock;
      int32_t sums[kBlockSums];
      sum_block(high, sums);
      for (int h = 0; h < kBlockSums; ++h) out.negated_high[at + h * stride] = sums[h];
      float unit = scale;
      if (scale > 0 && (rule == SecondPlane::kHigh ||
                        static_cast<double>(scale) * scale > range.thresholds[t])) {
        quantize_low(x + t * int64_t{out.columns} + b * kBlock, high, scale, range, low->values);
        sum_block(low->values, low->negated_sums);
        for (int h = 0; h < kBlockSums; ++h) sums[h] = range.units * sums[h] + low->negated_sums[h];
        unit = scale / range.float_units;
        low->scale = scale * range.low_unit;
        low->row = out.first_row + t;
        ++low;
      }
      for (int h = 0; h < kBlockSums; ++h)
        out.scaled_sums[at + h * stride] = unit * static_cast<float>(-sums[h]);
    }
    out.low_ends[b] = static_cast<int32_t>(low - out.low);
  }
}

#endif

// LinearKernels::quantize_tile. The rule compares with whole rows, so scales come first.
void quantize_tile(const float* x, SecondPlane rule, const Activations& out) {
  Range range(out.max);
  for (int t = 0; t < out.num_rows; ++t)
    quantize_high(x + static_cast<int64_t>(t) * out.columns, out, t, range);
  finish_tile(x, rule, range, out);
}

PRONK_INLINE uint16_t rounded_to_bf16(float x) {
  const uint32_t bits = static_cast<uint32_t>(bits_of(x));
  const uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const uint32_t quiet = bits >> 16 | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : nearest);
}

// LinearKernels::round_row.
void round_row(const float* x, const Activations& all, int t) {
  const Activations out = all.tile(t / kTileTokens);
  uint16_t* to = out.bf16 + t % kTileTokens * kBlock;
  int k = 0;
  for (; k + kBlock <= out.columns; k += kBlock, to += out.num_rows * int64_t{kBlock})
    for (int i = 0; i < kBlock; ++i) to[i] = rounded_to_bf16(x[k + i]);
  if (k == out.columns) return;
  for (int i = 0; i < kBlock; ++i) to[i] = k + i < out.columns ? rounded_to_bf16(x[k + i]) : 0;
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
