// Blocks of 128 columns of FP8 with scales in bf16, which holds every number of E4M3: for the CPU's
// dot product of bf16 pairs (linear_f8.inc.h) and for tiles (linear_amx_blocks.inc.h).
namespace pronk::kernels::PRONK_ISA {
namespace {

// 32 numbers. Exponents lie 120 apart; the subnormal ones, and what is no number, have a table.
PRONK_INLINE Line f8_as_bf16(const uint8_t* p) {
  alignas(64) static constexpr uint16_t kSpecial[32] = {
      0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60, 0, 0, 0, 0, 0, 0, 0, 0,
      0, 0,      0,      0,      0,      0,      0,      0,      0, 0, 0, 0, 0, 0, 0, 0x7fc0};
  constexpr int kSubnormal = 8, kNaN = 127, kSignOrNumber = 0xf8;  // number | (sign & mask)
  const __m512i v = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  const __m512i rest = _mm512_and_si512(v, _mm512_set1_epi16(127));
  const __m512i usual = _mm512_add_epi16(_mm512_slli_epi16(rest, 4), _mm512_set1_epi16(120 << 7));
  const __mmask32 is_special = _mm512_cmpge_epu16_mask(
      _mm512_sub_epi16(rest, _mm512_set1_epi16(kSubnormal)), _mm512_set1_epi16(kNaN - kSubnormal));
  const __m512i number =
      _mm512_mask_permutexvar_epi16(usual, is_special, rest, _mm512_load_si512(kSpecial));
  return _mm512_ternarylogic_epi32(number, _mm512_slli_epi16(v, 8),
                                   _mm512_set1_epi16(static_cast<int16_t>(0x8000)), kSignOrNumber);
}

// Where the parts of 128 columns of a panel stand. Each pair asks for the line that lies `ahead`.
struct F8Block {
  static constexpr int kPairs = F8Scaled::kScaleColumns / 2, kPairBytes = F8Scaled::kBytes;
  static constexpr int64_t kBytes = 4 * kPanelRows + int64_t{kPairs} * kPairBytes;
  const uint8_t* bytes;
  int64_t ahead;

  PRONK_INLINE Floats scales(int group) const { return load_floats(bytes + 64 * group); }
  PRONK_INLINE Line pair(int64_t k, int group) const {
    const uint8_t* line = bytes + 4 * kPanelRows + k * kPairBytes;
    if (group == 0) __builtin_prefetch(line + ahead, 0, kPrefetchNear);
    return f8_as_bf16(line + 32 * group);
  }
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
