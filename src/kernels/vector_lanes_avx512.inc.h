// Sixteen floats as one AVX-512 register. Included once per table, inside its namespace.

using Lanes = __m512;

constexpr int kAccumulators = 24;  // lanes that a product of matrices adds up at a time

static inline Lanes load(const float* p) { return _mm512_loadu_ps(p); }
static inline void store(float* p, Lanes a) { _mm512_storeu_ps(p, a); }
static inline float first_of(Lanes a) { return _mm512_cvtss_f32(a); }
// The first n < 16 lanes; the others are `fill`.
static inline Lanes load_first(const float* p, int n, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
}
static inline void store_first(float* p, Lanes a, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), a);
}
// Of 16 pairs of bfloat16, the first or the second of each.
static inline Lanes low_halves(const uint32_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
static inline Lanes high_halves(const uint32_t* p) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)0xffff0000u)));
}
static inline Lanes all(float x) { return _mm512_set1_ps(x); }
static inline Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
static inline Lanes sub(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
static inline Lanes mul(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
static inline Lanes divided(Lanes a, Lanes b) { return _mm512_div_ps(a, b); }
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return _mm512_fmadd_ps(a, b, c);
}  // a b + c, rounded once
// b where either is NaN.
static inline Lanes max(Lanes a, Lanes b) { return _mm512_max_ps(a, b); }
static inline Lanes min(Lanes a, Lanes b) { return _mm512_min_ps(a, b); }
static inline Lanes nearest(Lanes a) {  // integer, ties to even
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {  // a < b ? yes : no
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
// 2^n for whole n in [-126, 127]; NaN gives anything.
static inline Lanes power_of_two(Lanes n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
static inline bool any_at_least(Lanes a, Lanes bar) {
  return _mm512_cmp_ps_mask(a, bar, _CMP_GE_OQ) != 0;
}
static inline Lanes times_power(Lanes a, Lanes n) { return _mm512_scalef_ps(a, n); }  // a 2^n

// Lane i and lane i ^ kDistance change places, for 1, 2, 4 and 8.
template <int kDistance>
static inline Lanes exchange(Lanes a) {
  if constexpr (kDistance == 1) return _mm512_permute_ps(a, 0xb1);
  if constexpr (kDistance == 2) return _mm512_permute_ps(a, 0x4e);
  if constexpr (kDistance == 4) return _mm512_shuffle_f32x4(a, a, 0xb1);
  return _mm512_shuffle_f32x4(a, a, 0x4e);
}

// Sixteen int32, and sixteen groups of four bytes.
using Ints = __m512i;
using Bytes = __m512i;
static inline Ints all_ints(int32_t x) { return _mm512_set1_epi32(x); }
static inline Ints load_ints(const int32_t* p) { return _mm512_loadu_si512(p); }
static inline void store_ints(int32_t* p, Ints a) { _mm512_storeu_si512(p, a); }
// 128 high + low.
static inline Ints join_planes(Ints high, Ints low) {
  return _mm512_add_epi32(_mm512_slli_epi32(high, 7), low);
}
static inline Lanes to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
static inline Bytes load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
static inline Bytes all_bytes(const uint8_t* group) {
  int32_t word;
  memcpy(&word, group, 4);
  return _mm512_set1_epi32(word);
}
// sum + the four products in each lane of unsigned x and signed y.
static inline Ints dot_bytes(Ints sum, Bytes x, Bytes y) {
  // In assembly: g++ 12 moves the products of intrinsics about until registers do not suffice.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
  return sum;
}

// 64 numbers in [0, 65535], rounded to whole ones (ties to even; NaN to 0): their low bytes and
// their high ones.
static inline void store_bytes(const Lanes (&a)[4], uint8_t* low, uint8_t* high) {
  const auto words = [](Lanes x, Lanes y) {
    return _mm512_packus_epi32(_mm512_cvtps_epi32(x), _mm512_cvtps_epi32(y));
  };
  // Packing goes by quarters of a register; groups of four bytes are put in order at the end.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i first = words(a[0], a[1]), second = words(a[2], a[3]);
  const __m512i mask = _mm512_set1_epi16(0xff);
  const __m512i lows =
      _mm512_packus_epi16(_mm512_and_si512(first, mask), _mm512_and_si512(second, mask));
  const __m512i highs =
      _mm512_packus_epi16(_mm512_srli_epi16(first, 8), _mm512_srli_epi16(second, 8));
  _mm512_storeu_si512(low, _mm512_permutexvar_epi32(order, lows));
  _mm512_storeu_si512(high, _mm512_permutexvar_epi32(order, highs));
}

static inline bool any_nan(Lanes a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0; }
