// Sixteen lanes, one for each of 16 weight rows, in 512-bit registers. The lanes_*.inc.h
// offer the same names; the kernels are written once on top of them.
namespace pronk::kernels::PRONK_ISA {
namespace {

using Line = __m512i;   // 64 weights: lane r holds 4 neighbouring columns of row r
using Ints = __m512i;   // 16 x int32
using Floats = __m512;  // 16 x float
using Word = __m512i;   // 4 activations of one token, in every lane

constexpr int kGroupsPerTile = 2;        // 16-row groups computed together
constexpr int kTokensTogether = 1;       // for each word of unpacked weights
constexpr int kFewTokens = 12;           // at most: to each number its own code
constexpr int kTilesTogether = 4;        // of any number of tokens
constexpr int kTokensPerFloatTile = 12;  // 24 outputs
// Of a block's four pairs of words, those that linear_pairs.inc.h multiplies.
#if defined(PRONK_PAIRS)
constexpr int kPairedWords = 3;
#else
constexpr int kPairedWords = 0;
#endif

PRONK_INLINE Line load_line(const uint8_t* p) { return _mm512_loadu_si512(p); }
PRONK_INLINE void store_line(uint8_t* p, Line x) { _mm512_storeu_si512(p, x); }
PRONK_INLINE Word load_word(const int8_t* p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
// The compiler forgets what it knew of a word: products with it are computed anew.
PRONK_INLINE void forget(Word& x) { asm volatile("" : "+v"(x)); }

// Bits kShift.. of every byte (kShift < 0: moved up), those in kMask.
template <int kShift, int kMask>
PRONK_INLINE Line field(Line x) {
  if constexpr (kShift > 0) x = _mm512_srli_epi32(x, static_cast<unsigned>(kShift));
  if constexpr (kShift < 0) x = _mm512_slli_epi32(x, static_cast<unsigned>(-kShift));
  return _mm512_and_si512(x, _mm512_set1_epi8(kMask));
}
PRONK_INLINE Line merge(Line a, Line b) { return _mm512_or_si512(a, b); }
PRONK_INLINE Line look_up(const int8_t (&table)[16], int bias, Line index) {
  const __m128i biased = _mm_add_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)),
                                      _mm_set1_epi8(static_cast<char>(bias)));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(biased), index);
}

// A chain of products. dot adds those of the lane's 4 columns; weights are unsigned, kBits says how
// many bits they use. kWord counts the calls of a chain: its sum is whole after each fourth.
using Sum = Ints;
PRONK_INLINE Sum as_sum(Ints x) { return x; }
PRONK_INLINE Ints total(Sum x) { return x; }
template <int kBits, int kWord>
PRONK_INLINE void dot(Sum& sum, Line weights, Word activations) {
  // In assembly: g++ 12 moves the products of intrinsics about until registers do not suffice.
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(activations));
}
// Each byte of a + b, modulo 256.
PRONK_INLINE Line add_bytes(Line a, Line b) { return _mm512_add_epi8(a, b); }
PRONK_INLINE Line broadcast_byte(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
// Whether dot multiplies weights − 2^(kBits − 1).
template <int kBits>
constexpr bool kDotTakesOffset = false;

PRONK_INLINE Ints zero_ints() { return _mm512_setzero_si512(); }
template <int kShift>
PRONK_INLINE Ints broadcast_shifted(int32_t value) {
  return _mm512_slli_epi32(_mm512_set1_epi32(value), static_cast<unsigned>(kShift));
}
PRONK_INLINE Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
PRONK_INLINE Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
PRONK_INLINE Ints multiply(Ints a, int32_t b) {
  return _mm512_mullo_epi32(a, _mm512_set1_epi32(b));
}
PRONK_INLINE Ints unsigned_byte(Line x, int i) {
  return _mm512_and_si512(_mm512_srl_epi32(x, _mm_cvtsi32_si128(8 * i)), _mm512_set1_epi32(255));
}
PRONK_INLINE Ints signed_byte(Line x, int i) {
  return _mm512_srai_epi32(_mm512_sll_epi32(x, _mm_cvtsi32_si128(24 - 8 * i)), 24);
}

PRONK_INLINE Floats zero_floats() { return _mm512_setzero_ps(); }
PRONK_INLINE Floats broadcast(float value) { return _mm512_set1_ps(value); }
PRONK_INLINE Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
PRONK_INLINE Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
PRONK_INLINE Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
PRONK_INLINE Floats negate(Floats a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
PRONK_INLINE Floats fused(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

// With operands from memory in every lane, which cost no register and, unlike what a compiler makes
// of them, no copy of one.
PRONK_INLINE Ints broadcast_from(const int32_t* p) {
  Ints out;
  asm volatile("vpbroadcastd %1, %0" : "=v"(out) : "m"(*p));
  return out;
}
PRONK_INLINE Floats multiply_from(Floats a, const float* p) {
  Floats out;
  asm volatile("vmulps %2%{1to16%}, %1, %0" : "=v"(out) : "v"(a), "m"(*p));
  return out;
}
PRONK_INLINE Floats fused_from(Floats a, const float* p, Floats c) {
  asm volatile("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(a), "m"(*p));
  return c;
}

// x, computed before what dot() comes next in the source.
PRONK_INLINE Floats now(Floats x) {
  asm volatile("" : "+v"(x));
  return x;
}

PRONK_INLINE Floats load_floats(const uint8_t* p) { return _mm512_loadu_ps(p); }
PRONK_INLINE Floats load_halfs(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
PRONK_INLINE Ints load_shorts(const uint8_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
PRONK_INLINE Ints load_bytes(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
template <int kShift>
PRONK_INLINE Ints shift_left(Ints x) {
  return _mm512_slli_epi32(x, kShift);
}
PRONK_INLINE Ints shift_right(Ints x, int shift) {
  return _mm512_srl_epi32(x, _mm_cvtsi32_si128(shift));
}
PRONK_INLINE Ints mask_bits(Ints x, int mask) {
  return _mm512_and_si512(x, _mm512_set1_epi32(mask));
}
PRONK_INLINE Ints either(Ints a, Ints b) { return _mm512_or_si512(a, b); }
PRONK_INLINE Ints where_equal(Ints x, int value, Ints then, Ints otherwise) {
  return _mm512_mask_mov_epi32(otherwise, _mm512_cmpeq_epi32_mask(x, _mm512_set1_epi32(value)),
                               then);
}
PRONK_INLINE Ints broadcast_int(int32_t value) { return _mm512_set1_epi32(value); }
PRONK_INLINE Ints as_ints(Floats x) { return _mm512_castps_si512(x); }
PRONK_INLINE Ints as_ints(Line x) { return x; }
PRONK_INLINE Floats as_floats(Ints x) { return _mm512_castsi512_ps(x); }

// The first num_lanes (16 and more mean all; 0 and less none); others are 0, or stay as they are.
PRONK_INLINE __mmask16 first_lanes(int num_lanes) {
  return static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(num_lanes < 0    ? 0
                                                                        : num_lanes < 16 ? num_lanes
                                                                                         : 16)));
}
PRONK_INLINE Floats load_first(const float* p, int num_lanes) {
  return _mm512_maskz_loadu_ps(first_lanes(num_lanes), p);
}
PRONK_INLINE void store(float* p, Floats x, int num_lanes) {
  if (num_lanes >= 16) return _mm512_storeu_ps(p, x);
  _mm512_mask_storeu_ps(p, first_lanes(num_lanes), x);
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
