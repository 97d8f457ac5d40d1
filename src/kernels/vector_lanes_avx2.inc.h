// Sixteen floats as two AVX2 registers. Included once per table, inside its namespace.

struct Lanes {
  __m256 lo, hi;
};

constexpr int kAccumulators = 4;  // lanes that a product of matrices adds up at a time

static inline Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void store(float* p, Lanes a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
static inline float first_of(Lanes a) { return _mm256_cvtss_f32(a.lo); }
#include "kernels/vector_lanes_first.inc.h"
// Of 16 pairs of bfloat16, the first or the second of each.
static inline Lanes low_halves(const uint32_t* p) {
  const __m256i* pairs = (const __m256i*)p;
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(pairs), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(pairs + 1), 16))};
}
static inline Lanes high_halves(const uint32_t* p) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000u));
  return {_mm256_and_ps(_mm256_loadu_ps((const float*)p), mask),
          _mm256_and_ps(_mm256_loadu_ps((const float*)p + 8), mask)};
}
static inline Lanes all(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
static inline Lanes add(Lanes a, Lanes b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
static inline Lanes sub(Lanes a, Lanes b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
static inline Lanes mul(Lanes a, Lanes b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
static inline Lanes divided(Lanes a, Lanes b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {  // a b + c, rounded once
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
// b where either is NaN.
static inline Lanes max(Lanes a, Lanes b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
static inline Lanes min(Lanes a, Lanes b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
static inline Lanes nearest(Lanes a) {  // integer, ties to even
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
static inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {  // a < b ? yes : no
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
static inline __m256 power_of_two_half(__m256 n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
// 2^n for whole n in [-126, 127]; NaN gives anything.
static inline Lanes power_of_two(Lanes n) {
  return {power_of_two_half(n.lo), power_of_two_half(n.hi)};
}
static inline bool any_at_least(Lanes a, Lanes bar) {
  const __m256 lo = _mm256_cmp_ps(a.lo, bar.lo, _CMP_GE_OQ);
  return _mm256_movemask_ps(_mm256_or_ps(lo, _mm256_cmp_ps(a.hi, bar.hi, _CMP_GE_OQ))) != 0;
}
// a 2^n for whole n in [-126, 127].
static inline Lanes times_power(Lanes a, Lanes n) { return mul(a, power_of_two(n)); }

// Lane i and lane i ^ kDistance change places, for 1, 2, 4 and 8.
template <int kDistance>
static inline Lanes exchange(Lanes a) {
  if constexpr (kDistance == 1)
    return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
  if constexpr (kDistance == 2)
    return {_mm256_permute_ps(a.lo, 0x4e), _mm256_permute_ps(a.hi, 0x4e)};
  if constexpr (kDistance == 4)
    return {_mm256_permute2f128_ps(a.lo, a.lo, 1), _mm256_permute2f128_ps(a.hi, a.hi, 1)};
  return {a.hi, a.lo};
}

// Sixteen int32, and sixteen groups of four bytes.
struct Ints {
  __m256i lo, hi;
};
using Bytes = Ints;
static inline Ints all_ints(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
static inline Lanes to_floats(Ints a) {
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
static inline Bytes load_bytes(const uint8_t* p) {
  return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)p + 1)};
}
static inline Bytes all_bytes(const uint8_t* group) {
  int32_t word;
  memcpy(&word, group, 4);
  return all_ints(word);
}
#if defined(__AVXVNNI__)
static inline __m256i dot_bytes_half(__m256i sum, __m256i x, __m256i y) {
  return _mm256_dpbusd_avx_epi32(sum, x, y);
}
#else
// Products of 16 bits, which cannot overflow: the even bytes of each group, and the odd ones.
static inline __m256i dot_bytes_half(__m256i sum, __m256i x, __m256i y) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(x, _mm256_set1_epi16(0xff)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(y, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(y, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#endif
// sum + the four products in each lane of unsigned x and signed y.
static inline Ints dot_bytes(Ints sum, Bytes x, Bytes y) {
  return {dot_bytes_half(sum.lo, x.lo, y.lo), dot_bytes_half(sum.hi, x.hi, y.hi)};
}

// 64 numbers in [0, 65535], rounded to whole ones (ties to even; NaN to 0): their low bytes and
// their high ones.
static inline void store_bytes(const Lanes (&a)[4], uint8_t* low, uint8_t* high) {
  const auto words = [](Lanes x) {
    return _mm256_packus_epi32(_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi));
  };
  // Packing goes by halves of a register; groups of four bytes are put in order at the end.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i mask = _mm256_set1_epi16(0xff);
  for (int j = 0; j < 4; j += 2) {
    const __m256i first = words(a[j]), second = words(a[j + 1]);
    const __m256i lows =
        _mm256_packus_epi16(_mm256_and_si256(first, mask), _mm256_and_si256(second, mask));
    const __m256i highs =
        _mm256_packus_epi16(_mm256_srli_epi16(first, 8), _mm256_srli_epi16(second, 8));
    _mm256_storeu_si256((__m256i*)(low + 16 * j), _mm256_permutevar8x32_epi32(lows, order));
    _mm256_storeu_si256((__m256i*)(high + 16 * j), _mm256_permutevar8x32_epi32(highs, order));
  }
}

static inline bool any_nan(Lanes a) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q)) |
         _mm256_movemask_ps(_mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q));
}
