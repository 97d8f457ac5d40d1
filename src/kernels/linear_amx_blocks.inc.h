// Blocks of 32 columns of a panel in bf16, as the tiles of linear_amx_bf16.inc.h take them.
namespace pronk::kernels::PRONK_ISA {
namespace {

// [16 pairs of columns][32 rows][2], as BF16 panels lie: a tile is 16 of the rows of all pairs.
struct alignas(64) WeightBlock {
  static constexpr int kPairs = kActivationBlock / 2;
  static constexpr int64_t kPairBytes = 4 * kPanelRows;
  uint8_t bytes[kPairs][kPairBytes];
};

// bf16 is the upper half of a float, so the pair is two upper halves beside each other. What is cut
// off is half a step on average: kToNearest, which values were multiplied with, gives it back, and
// leaves a value alone that bf16 can hold.
constexpr float kToNearest = 1.0027f;

PRONK_INLINE Line upper_halves(Floats first, Floats second) {
  const __m512i to_lower = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
  return _mm512_mask_shuffle_epi8(_mm512_castps_si512(second), 0x3333333333333333,
                                  _mm512_castps_si512(first), to_lower);
}

// weight = multiplier · (1 + its unsigned integer / kOne) + addend.
struct Affine {
  Floats multiplier, addend;
};

template <class F, int kOne>
PRONK_INLINE Affine affine(const typename F::Head& head, int sub, int half) {
  constexpr int kOffset = F::kOffsetShift < 0 ? 0 : 1 << (F::kOffsetShift & 31);
  const Floats scale = multiply(F::scale(head, sub, half), broadcast(kToNearest));
  Affine out{multiply(scale, broadcast(kOne)), multiply(scale, broadcast(-kOne - kOffset))};
  if constexpr (F::kHasMin)
    out.addend = fused(F::min(head, sub, half), broadcast(kToNearest), out.addend);
  return out;
}

// Weights whose integers are the bits kMask of the lanes, among those of a float's mantissa.
template <int kMask>
PRONK_INLINE Floats weigh(Ints bits, const Affine& a) {
  constexpr int kAndThenOr = 0xea, kFloatOne = 0x3f800000;
  const Ints one_and_more =
      _mm512_ternarylogic_epi32(bits, broadcast_int(kMask), broadcast_int(kFloatOne), kAndThenOr);
  return fused(a.multiplier, as_floats(one_and_more), a.addend);
}

// Byte i of every lane at the top of a float's mantissa, where 256 stands for one.
template <int i>
PRONK_INLINE Ints to_mantissa(Line x) {
  if constexpr (i < 2)
    return _mm512_slli_epi32(x, 15 - 8 * i);
  else
    return _mm512_srli_epi32(x, 8 * i - 15);
}

// Four neighbouring columns, two pairs, from the lanes' four bytes.
template <int kMask>
PRONK_INLINE void store_pairs(const Ints (&bytes)[4], const Affine& a, uint8_t* to) {
  const Line first = upper_halves(weigh<kMask>(bytes[0], a), weigh<kMask>(bytes[1], a));
  const Line second = upper_halves(weigh<kMask>(bytes[2], a), weigh<kMask>(bytes[3], a));
  _mm512_store_si512(to, first);
  _mm512_store_si512(to + WeightBlock::kPairBytes, second);
}

constexpr int64_t kFourColumns = 2 * WeightBlock::kPairBytes;

// A line of nibbles: columns 4q.. in the lower ones, 16 + 4q.. in the upper; both are multiplied
// where they lie.
template <int q>
PRONK_INLINE void unpack_nibbles(const uint8_t* lines, const Affine& low, const Affine& high,
                                 uint8_t* to) {
  const Line x = load_line(lines + q * 64);
  const Ints bytes[4] = {to_mantissa<0>(x), to_mantissa<1>(x), to_mantissa<2>(x),
                         to_mantissa<3>(x)};
  store_pairs<0x0f << 15>(bytes, low, to + q * kFourColumns);
  store_pairs<0xf0 << 15>(bytes, high, to + (4 + q) * kFourColumns);
}

// Columns 4j.. of any format.
template <class F, int j>
PRONK_INLINE void unpack_four(const uint8_t* lines, const Affine& a, uint8_t* to) {
  const Line x = F::template weights<j>(lines);
  const Ints bytes[4] = {to_mantissa<0>(x), to_mantissa<1>(x), to_mantissa<2>(x),
                         to_mantissa<3>(x)};
  store_pairs<0xff << 15>(bytes, a, to + j * kFourColumns);
}

// A block is unpacked in pieces, so that there is work for the vector units beside every product of
// tiles: a quarter of the lines of a group of rows each.
constexpr int kPieces = 4 * kGroups;

// Gives the blocks of a panel one after the other, whole or filled up with zeros.
template <class F>
class BlockReader {
 public:
  BlockReader() {}
  BlockReader(const void* panel, int /*columns*/) : packed_(static_cast<const uint8_t*>(panel)) {}

  PRONK_INLINE const uint8_t* next(WeightBlock& buffer) {
    unpack<0>(buffer);
    unpack<1>(buffer);
    unpack<2>(buffer);
    unpack<3>(buffer);
    unpack<4>(buffer);
    unpack<5>(buffer);
    unpack<6>(buffer);
    return unpack<7>(buffer);
  }

  // The same by kPieces calls, of which the last returns the block.
  const uint8_t* next(int piece, WeightBlock& buffer) {
    switch (piece) {
      case 0:
        return unpack<0>(buffer);
      case 1:
        return unpack<1>(buffer);
      case 2:
        return unpack<2>(buffer);
      case 3:
        return unpack<3>(buffer);
      case 4:
        return unpack<4>(buffer);
      case 5:
        return unpack<5>(buffer);
      case 6:
        return unpack<6>(buffer);
      default:
        return unpack<7>(buffer);
    }
  }

 private:
  static constexpr int kPart = F::kBytes / F::kSubBlocks;

  template <int kPiece>
  PRONK_INLINE const uint8_t* unpack(WeightBlock& buffer) {
    constexpr int kGroup = kPiece / 4, q = kPiece % 4;
    prefetch_word<F, kPiece>(packed_ + sub_ * kPart + kPrefetchBytes);
    if constexpr (q == 0) begin_group(kGroup);
    const uint8_t* lines = F::lines(packed_, sub_, kGroup);
    uint8_t* to = buffer.bytes[0] + 64 * kGroup;
    if constexpr (F::kNibbles) {
      unpack_nibbles<q>(lines, first_, second_, to);
    } else {
      unpack_four<F, 2 * q>(lines, q < 2 ? first_ : second_, to);
      unpack_four<F, 2 * q + 1>(lines, q < 2 ? first_ : second_, to);
    }
    if (kPiece + 1 < kPieces) return nullptr;
    if (++sub_ == F::kSubBlocks) {
      sub_ = 0;
      packed_ += F::kBytes;
    }
    return buffer.bytes[0];
  }

  PRONK_INLINE void begin_group(int g) {
    if (sub_ == 0) heads_[g] = F::read_head(packed_, g);
    first_ = affine<F, 256>(heads_[g], sub_, 0);
    if constexpr (F::kNibbles)
      second_ = affine<F, 16>(heads_[g], sub_, 0);
    else
      second_ = F::kScales == 1 ? first_ : affine<F, 256>(heads_[g], sub_, F::kScales - 1);
  }

  const uint8_t* packed_ = nullptr;
  int sub_ = 0;  // the block's place among those that share a head
  typename F::Head heads_[kGroups];
  Affine first_, second_;  // of the group's halves: lower and upper nibbles, or columns
};

// Float types have any number of columns. There is nothing to unpack, but lines to be asked for.
template <>
class BlockReader<BF16> {
 public:
  BlockReader() {}
  BlockReader(const void* panel, int columns)
      : packed_(static_cast<const uint8_t*>(panel)), pairs_left_((columns + 1) / 2) {}

  const uint8_t* next(WeightBlock& buffer) {
    prefetch<sizeof(WeightBlock), kPrefetchNear>(packed_ + kPrefetchBytes);
    return take(buffer);
  }
  const uint8_t* next(int piece, WeightBlock& buffer) {
    constexpr int kPart = sizeof(WeightBlock) / kPieces;
    for (int i = 0; i < kPart; i += 64) __builtin_prefetch(packed_ + piece * kPart + i, 0, 2);
    return piece + 1 < kPieces ? nullptr : take(buffer);
  }

 private:
  const uint8_t* take(WeightBlock& buffer) {
    const uint8_t* block = packed_;
    packed_ += sizeof(WeightBlock);
    pairs_left_ -= WeightBlock::kPairs;
    if (pairs_left_ >= 0) return block;
    memset(&buffer, 0, sizeof buffer);
    memcpy(&buffer, block,
           static_cast<size_t>(WeightBlock::kPairBytes * (WeightBlock::kPairs + pairs_left_)));
    return buffer.bytes[0];
  }

  const uint8_t* packed_ = nullptr;
  int64_t pairs_left_ = 0;
};

// Numbers times their scales, rounded as those of the block types are.
template <>
class BlockReader<F8Scaled> {
 public:
  BlockReader() {}
  BlockReader(const void* panel, int /*columns*/)
      : packed_{static_cast<const uint8_t*>(panel), kPrefetchBytes} {}

  const uint8_t* next(WeightBlock& buffer) {
    for (int piece = 0; piece + 1 < kPieces; ++piece) next(piece, buffer);
    return next(kPieces - 1, buffer);
  }
  const uint8_t* next(int piece, WeightBlock& buffer) {
    constexpr int kEach = WeightBlock::kPairs / kPieces;
    for (int i = piece * kEach; i < (piece + 1) * kEach; ++i, ++pair_) {
      for (int g = 0; g < kGroups; ++g) {
        const Line pair = packed_.pair(pair_, g);
        const Floats scales = multiply(packed_.scales(g), broadcast(kToNearest));
        const Floats first = multiply(as_floats(_mm512_slli_epi32(pair, 16)), scales);
        const Floats second =
            multiply(as_floats(mask_bits(pair, static_cast<int>(0xffff0000))), scales);
        _mm512_store_si512(buffer.bytes[i] + 64 * g, upper_halves(first, second));
      }
    }
    if (piece + 1 < kPieces) return nullptr;
    if (pair_ == F8Block::kPairs) {
      pair_ = 0;
      packed_.bytes += F8Block::kBytes;
    }
    return buffer.bytes[0];
  }

 private:
  F8Block packed_{nullptr, 0};
  int pair_ = 0;  // the next one
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
