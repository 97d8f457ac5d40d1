// Sixteen lanes (see lanes_avx512.inc.h) as two 256-bit registers; with or without AVX-VNNI.
namespace pronk::kernels::PRONK_ISA {
namespace {

struct Line {
  __m256i a, b;  // rows 0-7, 8-15
};
using Ints = Line;
struct Floats {
  __m256 a, b;
};
using Word = __m256i;

constexpr int kGroupsPerTile = 1;  // 16 registers
#if defined(__AVXVNNI__)
constexpr int kTokensPerFloatTile = 3, kTokensTogether = 4;
#else
constexpr int kTokensPerFloatTile = 2, kTokensTogether = 2;
#endif
constexpr int kFewTokens = 4;
constexpr int kTilesTogether = 4;
constexpr int kPairedWords = 0;  // linear_pairs.inc.h

PRONK_INLINE __m256i load_256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
PRONK_INLINE Line load_line(const uint8_t* p) { return {load_256(p), load_256(p + 32)}; }
PRONK_INLINE Word load_word(const int8_t* p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return _mm256_set1_epi32(word);
}
PRONK_INLINE void forget(Word& x) { asm volatile("" : "+x"(x)); }

template <int kShift, int kMask>
PRONK_INLINE __m256i field(__m256i x) {
  if constexpr (kShift > 0) x = _mm256_srli_epi32(x, kShift);
  if constexpr (kShift < 0) x = _mm256_slli_epi32(x, -kShift);
  return _mm256_and_si256(x, _mm256_set1_epi8(kMask));
}
template <int kShift, int kMask>
PRONK_INLINE Line field(Line x) {
  return {field<kShift, kMask>(x.a), field<kShift, kMask>(x.b)};
}
PRONK_INLINE Line merge(Line x, Line y) {
  return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)};
}
PRONK_INLINE Line look_up(const int8_t (&table)[16], int bias, Line index) {
  const __m128i biased = _mm_add_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)),
                                      _mm_set1_epi8(static_cast<char>(bias)));
  const __m256i both = _mm256_broadcastsi128_si256(biased);
  return {_mm256_shuffle_epi8(both, index.a), _mm256_shuffle_epi8(both, index.b)};
}

#if defined(__AVXVNNI__)
using Sum = Ints;
PRONK_INLINE Sum as_sum(Ints x) { return x; }
PRONK_INLINE Ints total(Sum x) { return x; }
template <int kBits, int kWord>
PRONK_INLINE void dot(Sum& sum, Line weights, Word activations) {
  sum.a = _mm256_dpbusd_avx_epi32(sum.a, weights.a, activations);
  sum.b = _mm256_dpbusd_avx_epi32(sum.b, weights.b, activations);
}
template <int kBits>
constexpr bool kDotTakesOffset = false;
#else
// Without VNNI products of two columns are added in 16 bits, which saturate: 2 · 15 · 127 fit eight
// times, 2 · 31 · 127 four times, 2 · 63 · 127 twice. Activations are never below -127. 2 · 255 ·
// 127 does not fit, but 2 · 128 · 127 does: 8-bit weights are taken as w − 128, the sign of which
// goes to the activations.
template <int kBits>
constexpr bool kDotTakesOffset = kBits == 8;
template <int kBits>
constexpr int kWordsInPairs = kBits <= 5   ? 4
                              : kBits == 6 ? 2
                                           : 1;

struct Sum {
  Ints total;
  Line pairs;  // not yet in total
};
PRONK_INLINE Sum as_sum(Ints x) { return {x, x}; }
PRONK_INLINE Ints total(const Sum& x) { return x.total; }
template <int kBits>
PRONK_INLINE __m256i multiply_pairs(__m256i weights, __m256i activations) {
  if constexpr (kBits == 8) {
    weights = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
    activations = _mm256_sign_epi8(activations, weights);
    weights = _mm256_abs_epi8(weights);
  }
  return _mm256_maddubs_epi16(weights, activations);
}
PRONK_INLINE __m256i add_pairs(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
template <int kBits, int kWord>
PRONK_INLINE void dot(Sum& sum, Line weights, Word activations) {
  constexpr int kWords = kWordsInPairs<kBits>;
  const Line pairs{multiply_pairs<kBits>(weights.a, activations),
                   multiply_pairs<kBits>(weights.b, activations)};
  if constexpr (kWord % kWords == 0)
    sum.pairs = pairs;
  else
    sum.pairs = {_mm256_add_epi16(sum.pairs.a, pairs.a), _mm256_add_epi16(sum.pairs.b, pairs.b)};
  if constexpr (kWord % kWords == kWords - 1)
    sum.total = {add_pairs(sum.total.a, sum.pairs.a), add_pairs(sum.total.b, sum.pairs.b)};
}
#endif

PRONK_INLINE Ints zero_ints() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
PRONK_INLINE Ints broadcast_int(int32_t value) {
  return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}
template <int kShift>
PRONK_INLINE Ints broadcast_shifted(int32_t value) {
  const __m256i x = _mm256_slli_epi32(_mm256_set1_epi32(value), kShift);
  return {x, x};
}
PRONK_INLINE Ints add(Ints x, Ints y) {
  return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
template <int kShift>
PRONK_INLINE Ints shift_left(Ints x) {
  return {_mm256_slli_epi32(x.a, kShift), _mm256_slli_epi32(x.b, kShift)};
}
PRONK_INLINE Ints shift_right(Ints x, int shift) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  return {_mm256_srl_epi32(x.a, by), _mm256_srl_epi32(x.b, by)};
}
PRONK_INLINE Ints mask_bits(Ints x, int mask) {
  const __m256i all = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(x.a, all), _mm256_and_si256(x.b, all)};
}
PRONK_INLINE Ints either(Ints x, Ints y) { return merge(x, y); }
PRONK_INLINE Ints where_equal(Ints x, int value, Ints then, Ints otherwise) {
  const __m256i all = _mm256_set1_epi32(value);
  return {_mm256_blendv_epi8(otherwise.a, then.a, _mm256_cmpeq_epi32(x.a, all)),
          _mm256_blendv_epi8(otherwise.b, then.b, _mm256_cmpeq_epi32(x.b, all))};
}
PRONK_INLINE Ints unsigned_byte(Line x, int i) { return mask_bits(shift_right(x, 8 * i), 255); }
PRONK_INLINE Ints signed_byte(Line x, int i) {
  const __m128i by = _mm_cvtsi32_si128(24 - 8 * i);
  return {_mm256_srai_epi32(_mm256_sll_epi32(x.a, by), 24),
          _mm256_srai_epi32(_mm256_sll_epi32(x.b, by), 24)};
}

PRONK_INLINE Floats zero_floats() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
PRONK_INLINE Floats broadcast(float value) {
  return {_mm256_set1_ps(value), _mm256_set1_ps(value)};
}
PRONK_INLINE Floats to_floats(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
PRONK_INLINE Ints as_ints(Floats x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
PRONK_INLINE Ints as_ints(Line x) { return x; }
PRONK_INLINE Floats as_floats(Ints x) {
  return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)};
}
PRONK_INLINE Floats multiply(Floats x, Floats y) {
  return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}
PRONK_INLINE Floats add(Floats x, Floats y) {
  return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}
PRONK_INLINE Floats negate(Floats x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(x.a, sign), _mm256_xor_ps(x.b, sign)};
}
PRONK_INLINE Floats fused(Floats x, Floats y, Floats z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

PRONK_INLINE Floats now(Floats x) { return x; }
PRONK_INLINE Floats load_floats(const uint8_t* p) {
  const float* f = reinterpret_cast<const float*>(p);
  return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
}
PRONK_INLINE __m128i load_128(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
PRONK_INLINE Floats load_halfs(const uint8_t* p) {
  return {_mm256_cvtph_ps(load_128(p)), _mm256_cvtph_ps(load_128(p + 16))};
}
PRONK_INLINE Ints load_shorts(const uint8_t* p) {
  return {_mm256_cvtepu16_epi32(load_128(p)), _mm256_cvtepu16_epi32(load_128(p + 16))};
}
PRONK_INLINE Ints load_bytes(const uint8_t* p) {
  const __m128i x = load_128(p);
  return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
}

PRONK_INLINE void store(float* p, Floats x, int num_lanes) {
  if (num_lanes >= 16) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
    return;
  }
  float lanes[16];
  _mm256_storeu_ps(lanes, x.a);
  _mm256_storeu_ps(lanes + 8, x.b);
  memcpy(p, lanes, static_cast<size_t>(num_lanes) * sizeof(float));
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
