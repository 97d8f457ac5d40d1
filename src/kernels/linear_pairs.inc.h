// Two products by one multiplication (S. Winograd, "A New Algorithm for Inner Product", 1968), for
// weights of 4 and 5 bits on CPUs that add bytes beside the products (Zen 4 and 5):
//
//   (x2 + w1 + 128) · (x1 + w2) = x1 · w1 + x2 · w2 + x1 · (x2 + 128) + w2 · (w1 + 128)
//
// The last two terms depend on the token or on the row alone: sums over a block's columns start
// with both subtracted. w is the weight less half its range, x an activation of at most kMax<F>:
// both sums fit into a byte, without and with a sign. Everything is exact, so are the bits those of
// the plain tile (linear_tile.inc.h).
//
// w1 is of word j, w2 of word j + 4. kPairedWords of the four such pairs are multiplied so, and
// the others plainly, by which all of a core's units have about the same to do.
namespace pronk::kernels::PRONK_ISA {
namespace {

// 32 columns of kGroupsPerTile groups of rows: words j < kPairedWords are w1 + 128, j + 4 are w2.
template <class F>
struct PairedWeights : Scales<F> {
  Line words[kGroupsPerTile][kActivationBlock / 4];
  Ints start[kGroupsPerTile];  // −Σ w2 · (w1 + 128)

  PRONK_INLINE explicit PairedWeights(const PackedWeights<F>& packed) : Scales<F>(packed) {
    constexpr int kHalf = 128 - kMax<F>;  // of the weights' range
    const Weights<F> plain(packed);
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      Sum sum = zero_ints();
      PRONK_UNROLL
      for (int j = 0; j < 4; ++j) {
        words[g][j] = plain.words[g][j];
        words[g][j + 4] = plain.words[g][j + 4];
        if (j >= kPairedWords) continue;
        words[g][j] = add_bytes(words[g][j], broadcast_byte(128 - kHalf));
        words[g][j + 4] = add_bytes(words[g][j + 4], broadcast_byte(-kHalf));
        dot<8, 0>(sum, words[g][j], words[g][j + 4]);
      }
      start[g] = subtract(zero_ints(), sum);
    }
  }
};

// One token's 32 columns.
template <class F>
struct TokenPointers {
  const int8_t* values;
  const int32_t* start;
  const float* scale;
  const float* scaled_sum;

  PRONK_INLINE explicit TokenPointers(const TileTokens<F>& x)
      : values(x.values + x.at * kActivationBlock),
        start(x.pair_starts + x.at),
        scale(x.scales + x.at),
        scaled_sum(x.scaled_sums[0] + x.at) {}
  PRONK_INLINE explicit TokenPointers(const LowBlock& x)
      : values(x.values),
        start(x.pair_starts + kPairStart<F>),
        scale(&x.scale),
        scaled_sum(nullptr) {}

  PRONK_INLINE void next() {
    values += kActivationBlock;
    start += 1;
    scale += 1;
    if (F::kHasMin) scaled_sum += 1;
  }
};

template <class F, bool kWithMin>
PRONK_INLINE void add_pairs(const PairedWeights<F>& w, const TokenPointers<F>& x, Outputs& out) {
  Sum sums[kGroupsPerTile][2];
  PRONK_UNROLL
  for (int g = 0; g < kGroupsPerTile; ++g) {
    sums[g][0] = w.start[g];
    sums[g][1] = broadcast_from(x.start);
  }
  PRONK_UNROLL
  for (int j = 0; j < 4; ++j) {
    const Word first = load_word(x.values + 4 * j), second = load_word(x.values + 4 * (j + 4));
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      if (j < kPairedWords) {
        dot<8, 0>(sums[g][j % 2], add_bytes(w.words[g][j], second),
                  add_bytes(w.words[g][j + 4], first));
      } else {
        dot<8, 0>(sums[g][0], w.words[g][j], first);
        dot<8, 0>(sums[g][1], w.words[g][j + 4], second);
      }
    }
  }
  PRONK_UNROLL
  for (int g = 0; g < kGroupsPerTile; ++g) {
    const Floats scale = multiply_from(w.scales[g][0], x.scale);
    Floats f = fused(scale, to_floats(add(sums[g][0], sums[g][1])), out[g]);
    if constexpr (kWithMin) f = fused_from(w.mins[g][0], x.scaled_sum, f);
    out[g] = f;
  }
}

template <class F>
PRONK_INLINE void add_first_planes(const PairedWeights<F>& w, const TileTokens<F>& tile,
                                   Outputs* out) {
  TokenPointers<F> x(tile);
  const int8_t* end = x.values + tile.count * kActivationBlock;
  do {
    add_pairs<F, F::kHasMin>(w, x, *out);
    x.next();
    out += 1;
  } while (x.values != end);
}

template <class F>
PRONK_INLINE void add_second_plane(const PairedWeights<F>& w, const LowBlock& x, Outputs& out) {
  add_pairs<F, false>(w, TokenPointers<F>(x), out);
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
