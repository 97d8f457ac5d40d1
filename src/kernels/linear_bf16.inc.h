// Linear layers on BF16 weights and activations by the CPU's dot product of bf16 pairs into fp32,
// which flushes denormals: bits hold for this instruction set alone. One chain over all columns;
// with FP8's scales one over each 128, and f = fma(scale, chain, f).
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
    const int each = x.num_rows <= kMostTokensBF16 ? x.num_rows : (x.num_rows + 1) / 2;
    for (int t = 0; t < x.num_rows; t += each) {
      const int num_tokens = x.num_rows - t < each ? x.num_rows - t : each;
      multiply_tokens_bf16<kMostTokensBF16>(static_cast<const uint8_t*>(panel), ahead, in,
                                            num_tokens, num_rows, y, y_stride);
      y += num_tokens * y_stride;
      in.x += each * kActivationBlock;
    }
  }
}

// A block's weights, unpacked once for many tokens.
struct alignas(64) UnpackedF8 {
  uint8_t bytes[F8Block::kPairs][128];

  explicit UnpackedF8(const F8Block& packed) {
    for (int k = 0; k < F8Block::kPairs; ++k)
      for (int g = 0; g < 2; ++g) _mm512_store_si512(bytes[k] + 64 * g, packed.pair(k, g));
  }
  PRONK_INLINE Line pair(int64_t k, int group) const { return load_line(bytes[k] + 64 * group); }
};

// Adds 128 columns of kTokens tokens to their outputs.
template <int kTokens, class Pairs>
void add_f8_tile(const Pairs& w, const Floats (&scales)[2], const BF16Input& in, Outputs* out) {
  Floats sums[2][kTokens];
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[0][t] = sums[1][t] = zero_floats();
  add_dots<kTokens>(w, in, sums);
  PRONK_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    PRONK_UNROLL
    for (int g = 0; g < 2; ++g) out[t][g] = fused(scales[g], sums[g][t], out[t][g]);
  }
}

template <int kTokens, class Pairs>
void add_f8_tokens(const Pairs& w, const Floats (&scales)[2], const BF16Input& in, int num_tokens,
                   Outputs* out) {
  if (num_tokens == kTokens)
    add_f8_tile<kTokens>(w, scales, in, out);
  else if constexpr (kTokens > 1)
    add_f8_tokens<kTokens - 1>(w, scales, in, num_tokens, out);
}

// Block `block` of 128 columns times a tile of tokens.
template <class Pairs>
void add_f8_block(const Pairs& w, const Floats (&scales)[2], const Activations& tile, int block,
                  Outputs* out) {
  constexpr int kBlocks = F8Scaled::kScaleColumns / kActivationBlock;
  const int64_t stride = int64_t{tile.num_rows} * kActivationBlock;
  BF16Input in{tile.bf16 + int64_t{block} * kBlocks * stride, stride, F8Block::kPairs};
  const int each = tile.num_rows <= kMostTokensBF16 ? tile.num_rows : (tile.num_rows + 1) / 2;
  for (int t = 0; t < tile.num_rows; t += each) {
    add_f8_tokens<kMostTokensBF16>(w, scales, in,
                                   tile.num_rows - t < each ? tile.num_rows - t : each, out + t);
    in.x += each * kActivationBlock;
  }
}

// kTilesTogether tiles at most.
void multiply_f8_tiles(const uint8_t* panel, const Activations& x, int num_rows, float* y,
                       int64_t y_stride) {
  Outputs out[kTilesTogether * kTileTokens];
  for (int t = 0; t < x.num_rows; ++t) out[t][0] = out[t][1] = zero_floats();
  const int num_blocks = x.columns / F8Scaled::kScaleColumns;
  const int64_t ahead = prefetch_for(x.num_rows).into_l1;
  for (int b = 0; b < num_blocks; ++b, panel += F8Block::kBytes) {
    const F8Block packed{panel, ahead};
    const Floats scales[2] = {packed.scales(0), packed.scales(1)};
    if (x.num_rows <= kMostTokensBF16) {
      add_f8_block(packed, scales, x, b, out);
      continue;
    }
    const UnpackedF8 unpacked(packed);
    for (int i = 0; i < x.num_tiles(); ++i)
      add_f8_block(unpacked, scales, x.tile(i), b, out + i * kTileTokens);
  }
  for (int t = 0; t < x.num_rows; ++t) {
    store(y + t * y_stride, out[t][0], num_rows);
    if (num_rows > 16) store(y + t * y_stride + 16, out[t][1], num_rows - 16);
  }
}

// LinearKernels::multiply_panel of F8_SCALED with bf16 activations.
void multiply_panel_f8(const void* panel, const Activations& all, int num_rows, float* y,
                       int64_t y_stride) {
  for (int i = 0; i < all.num_tiles(); i += kTilesTogether) {
    multiply_f8_tiles(static_cast<const uint8_t*>(panel), all.tiles(i, kTilesTogether), num_rows, y,
                      y_stride);
    y += kTilesTogether * kTileTokens * y_stride;
  }
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
