// Linear layers on BF16 weights and activations by the CPU's dot product of bf16 pairs into fp32,
// which flushes denormals: bits hold for this instruction set alone. One chain over all columns.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kBlockPairs = kActivationBlock / 2;
constexpr int kMostTokensBF16 = 12;  // 2 groups x 12 accumulators, 2 weights, 1 activation

// Tokens from x on; x_stride: uint16_t from one block of 32 columns to the next.
struct BF16Input {
  const uint16_t* x;
  int64_t x_stride;
  int64_t num_pairs;
};

template <int kTokens>
void multiply_tile_bf16(const uint8_t* panel, const BF16Input& in, int num_rows, float* y,
                        int64_t y_stride) {
  Floats out[2][kTokens];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) out[0][t] = out[1][t] = zero_floats();
  const uint16_t* x = in.x;
  for (int64_t begin = 0; begin < in.num_pairs; begin += kBlockPairs, x += in.x_stride) {
    const int64_t left = in.num_pairs - begin, end = left < kBlockPairs ? left : kBlockPairs;
    for (int64_t k = 0; k < end; ++k, panel += 128) {
      const __m512bh w0 = (__m512bh)load_line(panel), w1 = (__m512bh)load_line(panel + 64);
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        int32_t pair;
        memcpy(&pair, x + t * kActivationBlock + 2 * k, sizeof pair);
        const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
        out[0][t] = _mm512_dpbf16_ps(out[0][t], w0, a);
        out[1][t] = _mm512_dpbf16_ps(out[1][t], w1, a);
      }
    }
  }
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    store(y + t * y_stride, out[0][t], num_rows);
    if (num_rows > 16) store(y + t * y_stride + 16, out[1][t], num_rows - 16);
  }
}

template <int kTokens>
void multiply_tokens_bf16(const uint8_t* panel, const BF16Input& in, int num_tokens, int num_rows,
                          float* y, int64_t y_stride) {
  if (num_tokens == kTokens)
    multiply_tile_bf16<kTokens>(panel, in, num_rows, y, y_stride);
  else if constexpr (kTokens > 1)
    multiply_tokens_bf16<kTokens - 1>(panel, in, num_tokens, num_rows, y, y_stride);
}

// LinearKernels::multiply_panel of BF16 with bf16 activations.
void multiply_panel_bf16(const void* panel, const Activations& all, int num_rows, float* y,
                         int64_t y_stride) {
  for (int i = 0; i < all.num_tiles(); ++i) {
    const Activations x = all.tile(i);
    BF16Input in{x.bf16, static_cast<int64_t>(x.num_rows) * kActivationBlock, (x.columns + 1) / 2};
    const int each = x.num_rows <= kMostTokensBF16 ? x.num_rows : (x.num_rows + 1) / 2;
    for (int t = 0; t < x.num_rows; t += each) {
      const int num_tokens = x.num_rows - t < each ? x.num_rows - t : each;
      multiply_tokens_bf16<kMostTokensBF16>(static_cast<const uint8_t*>(panel), in, num_tokens,
                                            num_rows, y, y_stride);
      y += num_tokens * y_stride;
      in.x += each * kActivationBlock;
    }
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
