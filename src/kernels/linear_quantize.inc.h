// Rows of activations as integers or bf16. The operations, and so the bits, are the same for all
// sets: plain loops, and for AVX-512 the same by hand (3x the speed that g++ 12 makes of the
// loops).
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

#if defined(__AVX512F__)

// The bits of max |x|: as integers they order as the magnitudes do, NaN above infinity.
PRONK_INLINE int32_t largest_magnitude(const float* x) {
  const Ints magnitude = _mm512_set1_epi32(0x7fffffff);
  const Ints a = _mm512_and_si512(_mm512_loadu_si512(x), magnitude);
  const Ints b = _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude);
  return _mm512_reduce_max_epi32(_mm512_max_epi32(a, b));
}

// out = round(x · factor) for 32 values that fit.
PRONK_INLINE void round_to_int8(const float* x, float factor, int8_t* out) {
  for (int i = 0; i < kBlock; i += 16) {
    const Ints whole = _mm512_cvtps_epi32(multiply(_mm512_loadu_ps(x + i), broadcast(factor)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm512_cvtsepi32_epi8(whole));
  }
}

// low = round((x − scale · high) · factor), at most 127.
PRONK_INLINE void round_rest_to_int8(const float* x, const int8_t* high, float scale, float factor,
                                     int8_t* low) {
  for (int i = 0; i < kBlock; i += 16) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(high + i));
    const Floats coarse = multiply(broadcast(scale), to_floats(_mm512_cvtepi8_epi32(h)));
    const Floats rest = _mm512_sub_ps(_mm512_loadu_ps(x + i), coarse);
    const Ints whole = _mm512_cvtps_epi32(multiply(rest, broadcast(factor)));
    const Ints bounded = _mm512_max_epi32(whole, _mm512_set1_epi32(-127));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(low + i), _mm512_cvtsepi32_epi8(bounded));
  }
}

// Σ of 16 values: of their distances from -128, less that.
PRONK_INLINE int32_t sum16(const int8_t* x) {
  const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  const __m128i shifted = _mm_xor_si128(values, _mm_set1_epi8(-128));
  const __m128i sums = _mm_sad_epu8(shifted, _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 2) - 16 * 128;
}

#else

PRONK_INLINE int32_t largest_magnitude(const float* x) {
  int32_t largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    const int32_t magnitude = bits_of(x[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

PRONK_INLINE void round_to_int8(const float* x, float factor, int8_t* out) {
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<int8_t>(rounded(x[i] * factor));
}

PRONK_INLINE void round_rest_to_int8(const float* x, const int8_t* high, float scale, float factor,
                                     int8_t* low) {
  for (int i = 0; i < kBlock; ++i) {
    const int32_t l = rounded((x[i] - scale * static_cast<float>(high[i])) * factor);
    low[i] = static_cast<int8_t>(l > 127 ? 127 : l < -127 ? -127 : l);
  }
}

PRONK_INLINE int32_t sum16(const int8_t* x) {
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += x[i];
  return sum;
}

#endif

// h and s of x ≈ s · h.
PRONK_INLINE float quantize_high(const float* x, int8_t* high) {
  const int32_t largest = largest_magnitude(x);
  constexpr int32_t kTiny = 0x0d800000;      // 2^-100: below it 127 / max has no room; counts as 0
  constexpr int32_t kInfinite = 0x7f800000;  // infinity or NaN
  if (largest < kTiny || largest >= kInfinite) {
    memset(high, 0, kBlock);
    return largest < kTiny ? 0 : __builtin_nanf("");
  }
  float max;
  memcpy(&max, &largest, sizeof max);
  round_to_int8(x, 127.0f / max, high);
  return max / 127.0f;
}

// l of x ≈ s · (h + l / 254).
PRONK_INLINE void quantize_low(const float* x, const int8_t* high, float scale, int8_t* low) {
  round_rest_to_int8(x, high, scale, 254.0f / scale, low);
}

// The sums of block b of row t.
PRONK_INLINE void sum_block(const Activations& out, int64_t b, int t, float scale,
                            bool stands_out) {
  const int64_t place = (b * out.num_rows + t) * kBlock;
  const int64_t first = b * out.num_rows + t, stride = out.num_blocks() * int64_t{out.num_rows};
  int32_t high[kBlockSums], low[kBlockSums] = {};
  for (int h = 0; h < 2; ++h) {
    high[h] = sum16(out.high + place + 16 * h);
    if (stands_out) low[h] = sum16(out.low + place + 16 * h);
  }
  high[2] = high[0] + high[1];
  low[2] = low[0] + low[1];
  const float unit = stands_out ? scale / 254.0f : scale;
  for (int h = 0; h < kBlockSums; ++h) {
    const int64_t at = first + h * stride;
    out.negated_high[at] = -high[h];
    out.negated_low[at] = -low[h];
    out.scaled_sums[at] = unit * static_cast<float>(stands_out ? 254 * high[h] + low[h] : high[h]);
  }
}

// The rule compares with the whole row, so scales come first.
void quantize_row(const float* x, SecondPlane rule, const Activations& out, int t) {
  const int64_t num_blocks = out.columns / kBlock;
  int8_t* high = out.high + t * kBlock;
  int8_t* low = out.low + t * kBlock;
  float* scales = out.scales + t;
  uint8_t* stands_out = out.stands_out + t;
  const int64_t stride = out.num_rows;
  double squares = 0;
  for (int64_t b = 0; b < num_blocks; ++b) {
    const float scale = quantize_high(x + b * kBlock, high + b * stride * kBlock);
    scales[b * stride] = scale;
    squares += static_cast<double>(scale) * scale;
  }
  const double threshold = 4 * squares / static_cast<double>(num_blocks);
  for (int64_t b = 0; b < num_blocks; ++b) {
    const float scale = scales[b * stride];
    const bool out_here =
        scale > 0 && (rule == SecondPlane::kHigh || static_cast<double>(scale) * scale > threshold);
    if (out_here)
      quantize_low(x + b * kBlock, high + b * stride * kBlock, scale, low + b * stride * kBlock);
    else
      memset(low + b * stride * kBlock, 0, kBlock);
    sum_block(out, b, t, scale, out_here);
    stands_out[b * stride] = out_here;
  }
}

// LinearKernels::quantize_tile.
void quantize_tile(const float* x, SecondPlane rule, const Activations& out) {
  for (int t = 0; t < out.num_rows; ++t)
    quantize_row(x + static_cast<int64_t>(t) * out.columns, rule, out, t);
  uint32_t count = 0;
  const uint8_t* stands_out = out.stands_out;
  for (int b = 0; b < out.columns / kBlock; ++b)
    for (int t = 0; t < out.num_rows; ++t) {
      out.standing_out[1 + count] = static_cast<uint32_t>(16 * b + t);
      count += *stands_out++;
    }
  out.standing_out[0] = count;
}

PRONK_INLINE uint16_t rounded_to_bf16(float x) {
  const uint32_t bits = static_cast<uint32_t>(bits_of(x));
  const uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const uint32_t quiet = bits >> 16 | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : nearest);
}

// LinearKernels::round_row.
void round_row(const float* x, const Activations& all, int t) {
  const Activations out = all.tile(t / all.tile_tokens);
  uint16_t* to = out.bf16 + t % all.tile_tokens * kBlock;
  int k = 0;
  for (; k + kBlock <= out.columns; k += kBlock, to += out.num_rows * int64_t{kBlock})
    for (int i = 0; i < kBlock; ++i) to[i] = rounded_to_bf16(x[k + i]);
  if (k == out.columns) return;
  for (int i = 0; i < kBlock; ++i) to[i] = k + i < out.columns ? rounded_to_bf16(x[k + i]) : 0;
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
