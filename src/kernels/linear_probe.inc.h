// What the instruction set can do at most: the same products as the tiles', with nothing beside
// them but one load. Each runs `rounds` rounds and returns how many operations that was, a multiply
// and an add being two. Chains start from different values: equal ones would become one.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kProbeChains = kGroupsPerTile == 1 ? 6 : 12;  // covers the latency, in registers

PRONK_INLINE void keep(const void* p) { asm volatile("" : : "r"(p) : "memory"); }

// Uses the sums, without ever taking the address of those that a loop keeps in registers.
template <class Sum>
PRONK_INLINE void keep_sums(const Sum (&sums)[kProbeChains]) {
  Sum copy[kProbeChains];
  PRONK_UNROLL
  for (int c = 0; c < kProbeChains; ++c) copy[c] = sums[c];
  keep(copy);
}

template <int kWord>
PRONK_INLINE void dot_anew(Sum& sum, Line weights, Word& activations) {
  forget(activations);
  dot<4, kWord>(sum, weights, activations);
}

[[maybe_unused]] double probe_int8(int64_t rounds) {
  alignas(64) uint8_t weights[64];
  int8_t activations[4] = {1, -2, 3, -4};
  memset(weights, 5, sizeof weights);
  Sum sums[kProbeChains];
  PRONK_UNROLL
  for (int c = 0; c < kProbeChains; ++c) sums[c] = as_sum(broadcast_int(c));
  for (int64_t i = 0; i < rounds; ++i) {
    keep(weights);  // so that each round's load and products happen
    const Line w = load_line(weights);
    Word a = load_word(activations);
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) dot_anew<0>(sums[c], w, a);
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) dot_anew<1>(sums[c], w, a);
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) dot_anew<2>(sums[c], w, a);
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) dot_anew<3>(sums[c], w, a);
  }
  keep_sums(sums);
  return static_cast<double>(rounds) * kProbeChains * 4 * 2 * 64;
}

double probe_f32(int64_t rounds) {
  alignas(64) float weights[16];
  for (int i = 0; i < 16; ++i) weights[i] = 0.5f;
  Floats sums[kProbeChains];
  PRONK_UNROLL
  for (int c = 0; c < kProbeChains; ++c) sums[c] = broadcast(static_cast<float>(c));
  for (int64_t i = 0; i < rounds; ++i) {
    keep(weights);
    const Floats w = load_floats(reinterpret_cast<const uint8_t*>(weights));
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) sums[c] = fused(w, w, sums[c]);
  }
  keep_sums(sums);
  return static_cast<double>(rounds) * kProbeChains * 2 * 16;
}

#if defined(__AVX512BF16__)
[[maybe_unused]] double probe_bf16(int64_t rounds) {
  alignas(64) uint16_t weights[32];
  for (int i = 0; i < 32; ++i) weights[i] = 0x3f00;
  Floats sums[kProbeChains];
  PRONK_UNROLL
  for (int c = 0; c < kProbeChains; ++c) sums[c] = broadcast(static_cast<float>(c));
  for (int64_t i = 0; i < rounds; ++i) {
    keep(weights);
    const __m512bh w = (__m512bh)load_line(reinterpret_cast<const uint8_t*>(weights));
    PRONK_UNROLL
    for (int c = 0; c < kProbeChains; ++c) sums[c] = _mm512_dpbf16_ps(sums[c], w, w);
  }
  keep_sums(sums);
  return static_cast<double>(rounds) * kProbeChains * 2 * 32;
}
#else
constexpr auto probe_bf16 = probe_f32;  // BF16 weights are multiplied in fp32 here
#endif

// Reads bytes (a multiple of 1024) once, and returns something that depends on all of them: as four
// streams, for one leaves some of what memory gives unused, each asked for as the CPU likes it.
int32_t probe_read(const void* memory, int64_t bytes) {
  constexpr int kStreams = 4;
  const int64_t ahead = kTuning.stream_bytes;
  const uint8_t* p = static_cast<const uint8_t*>(memory);
  const int64_t stream = bytes / kStreams;
  Line all[4] = {load_line(p), load_line(p), load_line(p), load_line(p)};
  for (int64_t i = 0; i < stream; i += 256) {
    for (int s = 0; s < kStreams; ++s) {
      const uint8_t* at = p + s * stream + i;
      PRONK_UNROLL
      for (int l = 0; l < 4; ++l) {
        __builtin_prefetch(at + ahead + 64 * l, 0, 3);
        all[l] = merge(all[l], load_line(at + 64 * l));
      }
    }
  }
  const Line one = merge(merge(all[0], all[1]), merge(all[2], all[3]));
  int32_t first;
  memcpy(&first, &one, sizeof first);
  return first;
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
