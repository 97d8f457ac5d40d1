// Panels and tiles of activations as the integer tiles read them: 32 columns after 32.
namespace pronk::kernels::PRONK_ISA {
namespace {

// How far ahead of the products a panel is asked for from memory, and how near its lines are to
// come (__builtin_prefetch). The last panel of a matrix asks for what lies behind it, which costs
// nothing where nothing is. With AVX-512 one tile reads a panel once, so its lines pass by the L2
// cache, as the CPU likes it (kTuning); AMX has not been measured with that.
#if defined(__AVX512F__) && !defined(PRONK_AMX)
constexpr int kPrefetchNear = 0;
PRONK_INLINE PanelPrefetch prefetch_for(int tokens) {
  return tokens == 1   ? kTuning.one_token
         : tokens == 2 ? kTuning.two_tokens
         : tokens <= 4 ? kTuning.four_tokens
                       : kTuning.more;
}
#else
constexpr int kPrefetchNear = 2;
#if defined(PRONK_AMX)
constexpr int64_t kPrefetchBytes = 3072;
#else
constexpr int64_t kPrefetchBytes = 4608;
#endif
constexpr PanelPrefetch prefetch_for(int tokens) {
  return {tokens <= 4 ? kPrefetchBytes : 4096, 0};
}
#endif

template <int kBytes, int kNear>
PRONK_INLINE void prefetch(const uint8_t* ahead) {
  PRONK_UNROLL
  for (int i = 0; i < kBytes; i += 64) __builtin_prefetch(ahead + i, 0, kNear);
}

// A word's share of the lines that a block of 32 columns takes: asked for all at once, they make
// the core wait.
template <class F, int j>
PRONK_INLINE void prefetch_word(const uint8_t* ahead) {
  constexpr int kLines = F::kBytes / F::kSubBlocks / 64;
  PRONK_UNROLL
  for (int i = j * kLines / 8; i < (j + 1) * kLines / 8; ++i)
    __builtin_prefetch(ahead + 64 * i, 0, kPrefetchNear);
}

constexpr bool kBlockInRegisters = kTokensTogether == 1;

template <class F>
struct Scales {
  Floats scales[kGroupsPerTile][F::kScales];
  Floats mins[kGroupsPerTile][F::kScales];
};

// 32 columns of kGroupsPerTile groups of rows, whose words are unpacked where they are needed.
template <class F>
struct PackedWeights : Scales<F> {
  const uint8_t* lines[kGroupsPerTile];
  const uint8_t* ahead;

  template <int j>
  PRONK_INLINE Line word(int g) const {
    if (g == 0) prefetch_word<F, j>(ahead);
    return F::template weights<j>(lines[g]);
  }
};

// The same, unpacked.
template <class F>
struct Weights : Scales<F> {
  Line words[kGroupsPerTile][kActivationBlock / 4];

  // One group after the other, as they lie in memory: a CPU that fetches ahead by itself follows.
  PRONK_INLINE explicit Weights(const PackedWeights<F>& w) : Scales<F>(w) {
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) unpack<0>(w, g);
  }

  template <int j>
  PRONK_INLINE Line word(int g) const {
    return words[g][j];
  }

 private:
  template <int j>
  PRONK_INLINE void unpack(const PackedWeights<F>& w, int g) {
    words[g][j] = w.template word<j>(g);
    if constexpr (j + 1 < kActivationBlock / 4) unpack<j + 1>(w, g);
  }
};

// Whether many tokens are multiplied as pairs of columns (linear_pairs.inc.h).
template <class F>
constexpr bool kMultipliesPairs = kPairedWords > 0 && kFitsPairs<F>;
template <class F>
struct PairedWeights;

// Which of kBlockSums goes with scale h: the sum of all 32 columns, or of each half.
template <class F>
constexpr int block_sum(int h) {
  return F::kScales == 1 ? 2 : h;
}
// Which of kPairStarts.
template <class F>
constexpr int kPairStart = F::kOffsetShift < 0 ? 0 : 1;

// Goes over a panel for kTokens tokens at most, 32 columns after 32.
template <class F, int kTokens>
struct PanelReader {
  const uint8_t* block;
  int first_group;
  PanelPrefetch ahead = {0, 0};
  int sub = F::kSubBlocks;
  typename F::Head heads[kGroupsPerTile] = {};

  PRONK_INLINE PanelReader(const uint8_t* panel, int group)
      : block(panel - F::kBytes), first_group(group) {
    if (group == 0) ahead = prefetch_for(kTokens);  // once for all groups
  }

  PRONK_INLINE PackedWeights<F> next() {
    if (sub == F::kSubBlocks) {
      sub = 0;
      block += F::kBytes;
      PRONK_UNROLL
      for (int g = 0; g < kGroupsPerTile; ++g) heads[g] = F::read_head(block, first_group + g);
    }
    PackedWeights<F> out;
    PRONK_UNROLL
    for (int g = 0; g < kGroupsPerTile; ++g) {
      out.lines[g] = F::lines(block, sub, first_group + g);
      PRONK_UNROLL
      for (int h = 0; h < F::kScales; ++h) {
        out.scales[g][h] = F::scale(heads[g], sub, h);
        if constexpr (F::kHasMin) out.mins[g][h] = F::min(heads[g], sub, h);
      }
    }
    constexpr int kBytes = F::kBytes / F::kSubBlocks;
    const uint8_t* part = block + sub * kBytes;
    out.ahead = part + ahead.into_l1;
    // Even a branch never taken costs one token, read as fast as memory gives, up to a tenth.
    if constexpr (kTokens > 2) {
      if (ahead.into_l2 != 0) prefetch<kBytes / 64 * 64, 2>(part + ahead.into_l2);
    }
    ++sub;
    return out;
  }
};

// The second planes of a tile of activations, 32 columns after 32.
struct LowBlocks {
  const LowBlock* first;
  const int32_t* ends;
  int32_t taken = 0;

  LowBlocks() = default;
  PRONK_INLINE explicit LowBlocks(const Activations& tile) : first(tile.low), ends(tile.low_ends) {}

  struct OfBlock {
    const LowBlock* first;
    int count;
  };
  PRONK_INLINE OfBlock next() {
    const int32_t begin = taken;
    taken = *ends++;
    return {first + begin, taken - begin};
  }
};

// The tokens of a tile of activations, 32 columns after 32.
template <class F>
struct TileTokens {
  const int8_t* values;
  const int32_t* negated_sums[F::kScales];
  const int32_t* pair_starts;
  const float* scales;
  const float* scaled_sums[F::kScales];
  int count;
  int64_t at = 0;  // of these 32 columns' first token
  LowBlocks low;

  TileTokens() = default;
  PRONK_INLINE explicit TileTokens(const Activations& tile)
      : values(tile.high), scales(tile.scales), count(tile.num_rows), low(tile) {
    for (int h = 0; h < F::kScales; ++h) {
      const int64_t first = int64_t{block_sum<F>(h)} * tile.num_blocks() * tile.num_rows;
      negated_sums[h] = tile.negated_high + first;
      scaled_sums[h] = tile.scaled_sums + first;
    }
    pair_starts = tile.pairs_high + int64_t{kPairStart<F>} * tile.num_blocks() * tile.num_rows;
  }

  PRONK_INLINE void next() { at += count; }
};

// Outputs of a token in kGroupsPerTile groups of rows.
using Outputs = Floats[kGroupsPerTile];

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
