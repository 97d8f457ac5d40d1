// Linear layers on BF16 weights and activations by the CPU's dot product of bf16 pairs into fp32,
// which flushes denormals: bits hold for this instruction set alone. One chain over all columns.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kTokensPerTileBF16 = 12;  // 2 groups x 12 accumulators, 2 weights, 1 activation

template <int kTokens>
void multiply_tile_bf16(const uint8_t* panel, const uint16_t* x, int64_t pairs, int num_rows,
                        float* y, int64_t y_stride) {
  Floats out[2][kTokens];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) out[0][t] = out[1][t] = zero_floats();
  for (int64_t k = 0; k < pairs; ++k, panel += 128, x += 2) {
    const __m512bh w0 = (__m512bh)load_line(panel), w1 = (__m512bh)load_line(panel + 64);
    PRONK_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      int32_t pair;
      memcpy(&pair, x + t * 2 * pairs, sizeof pair);
      const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
      out[0][t] = _mm512_dpbf16_ps(out[0][t], w0, a);
      out[1][t] = _mm512_dpbf16_ps(out[1][t], w1, a);
    }
  }
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    store(y + t * y_stride, out[0][t], num_rows);
    if (num_rows > 16) store(y + t * y_stride + 16, out[1][t], num_rows - 16);
  }
}

template <int kTokens>
void multiply_tokens_bf16(const uint8_t* panel, const uint16_t* x, int64_t pairs, int num_tokens,
                          int num_rows, float* y, int64_t y_stride) {
  if (num_tokens == kTokens)
    multiply_tile_bf16<kTokens>(panel, x, pairs, num_rows, y, y_stride);
  else if constexpr (kTokens > 1)
    multiply_tokens_bf16<kTokens - 1>(panel, x, pairs, num_tokens, num_rows, y, y_stride);
}

// LinearKernels::multiply_panel of BF16 with bf16 activations.
void multiply_panel_bf16(const void* panel, const Activations& x, int num_rows, float* y,
                         int64_t y_stride) {
  const int64_t pairs = (x.columns + 1) / 2;
  for (int t = 0; t < x.num_rows; t += kTokensPerTileBF16) {
    const int left = x.num_rows - t;
    multiply_tokens_bf16<kTokensPerTileBF16>(static_cast<const uint8_t*>(panel),
                                             x.bf16 + t * 2 * pairs, pairs,
                                             left < kTokensPerTileBF16 ? left : kTokensPerTileBF16,
                                             num_rows, y + t * y_stride, y_stride);
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
