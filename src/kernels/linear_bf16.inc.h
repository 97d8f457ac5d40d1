// Linear layers on BF16 weights and activations by the CPU's dot product of bf16 pairs into fp32,
// which flushes denormals: bits hold for this instruction set alone. One chain over all columns.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr int kBlockPairs = kActivationBlock / 2;
constexpr int kMostTokensBF16 = 12;  // 2 groups x 12 accumulators, 2 weights, 1 activation

// Of a tile's tokens.
constexpr int tokens_at_once(int num_tokens) {
  return num_tokens <= kMostTokensBF16 ? num_tokens : (num_tokens + 1) / 2;
}

// Tokens from x on; x_stride: uint16_t from one block of 32 columns to the next.
struct BF16Input {
  const uint16_t* x;
  int64_t x_stride;
  int64_t num_pairs;
};

// Pairs of columns of both groups of a panel's rows, as they lie; each line asks for the one that
// lies `ahead`.
struct BF16Pairs {
  const uint8_t* bytes;
  int64_t ahead;

  PRONK_INLINE Line pair(int64_t k, int group) const {
    const uint8_t* line = bytes + 128 * k + 64 * group;
    __builtin_prefetch(line + ahead, 0, kPrefetchNear);
    return load_line(line);
  }
};

// sums[group][token] += in.num_pairs pairs of columns.
template <int kTokens, class Pairs>
PRONK_INLINE void add_dots(const Pairs& w, const BF16Input& in, Floats (&sums)[2][kTokens]) {
  const uint16_t* x = in.x;
  for (int64_t begin = 0; begin < in.num_pairs; begin += kBlockPairs, x += in.x_stride) {
    const int64_t left = in.num_pairs - begin, end = left < kBlockPairs ? left : kBlockPairs;
    for (int64_t k = 0; k < end; ++k) {
      const __m512bh w0 = (__m512bh)w.pair(begin + k, 0), w1 = (__m512bh)w.pair(begin + k, 1);
      PRONK_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        int32_t pair;
        memcpy(&pair, x + t * kActivationBlock + 2 * k, sizeof pair);
        const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
        sums[0][t] = _mm512_dpbf16_ps(sums[0][t], w0, a);
        sums[1][t] = _mm512_dpbf16_ps(sums[1][t], w1, a);
      }
    }
  }
}

template <int kTokens>
void multiply_tile_bf16(const uint8_t* panel, int64_t ahead, const BF16Input& in, int num_rows,
                        float* y, int64_t y_stride) {
  Floats out[2][kTokens];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) out[0][t] = out[1][t] = zero_floats();
  add_dots<kTokens>(BF16Pairs{panel, ahead}, in, out);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    store(y + t * y_stride, out[0][t], num_rows);
    if (num_rows > 16) store(y + t * y_stride + 16, out[1][t], num_rows - 16);
  }
}

template <int kTokens>
void multiply_tokens_bf16(const uint8_t* panel, int64_t ahead, const BF16Input& in, int num_tokens,
                          int num_rows, float* y, int64_t y_stride) {
  if (num_tokens == kTokens)
    multiply_tile_bf16<kTokens>(panel, ahead, in, num_rows, y, y_stride);
  else if constexpr (kTokens > 1)
    multiply_tokens_bf16<kTokens - 1>(panel, ahead, in, num_tokens, num_rows, y, y_stride);
}

// LinearKernels::multiply_panel of BF16 with bf16 activations.
void multiply_panel_bf16(const void* panel, const Activations& all, int num_rows, float* y,
                         int64_t y_stride) {
  const int64_t ahead = prefetch_for(all.num_rows).into_l1;
  for (int i = 0; i < all.num_tiles(); ++i) {
    const Activations x = all.tile(i);
    BF16Input in{x.bf16, static_cast<int64_t>(x.num_rows) * kActivationBlock, (x.columns + 1) / 2};
    const int each = tokens_at_once(x.num_rows);
    for (int t = 0; t < x.num_rows; t += each) {
      const int num_tokens = x.num_rows - t < each ? x.num_rows - t : each;
      multiply_tokens_bf16<kMostTokensBF16>(static_cast<const uint8_t*>(panel), ahead, in,
                                            num_tokens, num_rows, y, y_stride);
      y += num_tokens * y_stride;
      in.x += each * kActivationBlock;
    }
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
