// Linear layers on FP8 with scales and bf16 activations, as those on BF16 (linear_bf16.inc.h): for
// each 128 columns f = fma(scale, g, f), g one chain over them.
namespace pronk::kernels::PRONK_ISA {
namespace {

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
  const int each = tokens_at_once(tile.num_rows);
  for (int t = 0; t < tile.num_rows; t += each) {
    const int num_tokens = tile.num_rows - t < each ? tile.num_rows - t : each;
    add_f8_tokens<kMostTokensBF16>(w, scales, in, num_tokens, out + t);
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
