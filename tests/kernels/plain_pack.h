// pack_panel, one row and one integer at a time, straight from the table of docs/kernels.md: what
// the fast one is compared with.
#pragma once
#include <cstring>

#include "kernels/pack.h"
#include "tensor/blocks.h"

namespace pronk::kernels::plain {

using namespace blocks;
using Byte = std::uint8_t;

// Where the parts of a packed block stand (linear_formats.inc.h has the same figures): for 32 rows
// `heads` numbers of 2 bytes, then by group of 16 rows `scale_words` words of 4 bytes of each row,
// then for every 32 columns and group `words` words of each row.
struct Shape {
  int heads, scale_words, sub_blocks, words;
  constexpr int num_words() const { return scale_words + sub_blocks * words; }
};

// One row's block in the packed order, before rows are interleaved.
struct RowBlock {
  Half heads[2];
  Byte words[4 * 64];  // scale words, then the words of each sub-block
};

inline void put_nibbles(const Byte (&q)[32], Byte* words) {  // 4 words
  for (int i = 0; i < 16; ++i) words[i] = static_cast<Byte>((q[i] & 15) | (q[i + 16] & 15) << 4);
}
inline void put_crumbs(const Byte (&q)[32], int from_bit, Byte* words) {  // 2 words
  for (int c = 0; c < 2; ++c)
    for (int i = 0; i < 4; ++i) {
      int byte = 0;
      for (int j = 0; j < 4; ++j) byte |= (q[16 * c + 4 * j + i] >> from_bit & 3) << 2 * j;
      words[4 * c + i] = static_cast<Byte>(byte);
    }
}
inline void put_bits(const Byte (&q)[32], int from_bit, Byte* words) {  // 1 word
  for (int i = 0; i < 4; ++i) {
    int byte = 0;
    for (int j = 0; j < 8; ++j) byte |= (q[4 * j + i] >> from_bit & 1) << j;
    words[i] = static_cast<Byte>(byte);
  }
}

// The stored integers of columns 32 sub..: the readings of dequantize.cc.
inline Byte fifth_bit(const Byte* fifth, int l) {
  return static_cast<Byte>((fifth[l / 8] >> (l % 8) & 1) << 4);
}
inline void get_nibbles_of_64(const Byte* nibbles, int sub, Byte (&q)[32]) {
  for (int l = 0; l < 32; ++l) q[l] = nibbles[sub / 2 * 32 + l] >> (sub % 2 * 4) & 15;
}
inline void get_crumbs(const Byte* crumbs, int sub, Byte (&q)[32]) {
  for (int l = 0; l < 32; ++l) q[l] = crumbs[sub / 4 * 32 + l] >> (sub % 4 * 2) & 3;
}

template <class Block>
struct Packed;  // kShape, and arrange: a stored block as a RowBlock

template <class Block>
struct PackedNibbles {
  static void arrange(const Block& b, RowBlock& out) {
    out.heads[0] = b.d;
    std::memcpy(out.words, b.nibbles, 16);
  }
};
template <>
struct Packed<Q4_0> : PackedNibbles<Q4_0> {
  static constexpr Shape kShape{1, 0, 1, 4};
};
template <>
struct Packed<IQ4_NL> : PackedNibbles<IQ4_NL> {
  static constexpr Shape kShape{1, 0, 1, 4};
};
template <>
struct Packed<Q4_1> {
  static constexpr Shape kShape{2, 0, 1, 4};
  static void arrange(const Q4_1& b, RowBlock& out) {
    PackedNibbles<Q4_1>::arrange(b, out);
    out.heads[1] = b.m;
  }
};

template <class Block>
void arrange_five_bits(const Block& b, RowBlock& out) {
  PackedNibbles<Block>::arrange(b, out);
  Byte q[32];
  for (int l = 0; l < 32; ++l) q[l] = fifth_bit(b.fifth, l);
  put_bits(q, 4, out.words + 16);
}
template <>
struct Packed<Q5_0> {
  static constexpr Shape kShape{1, 0, 1, 5};
  static void arrange(const Q5_0& b, RowBlock& out) { arrange_five_bits(b, out); }
};
template <>
struct Packed<Q5_1> {
  static constexpr Shape kShape{2, 0, 1, 5};
  static void arrange(const Q5_1& b, RowBlock& out) {
    arrange_five_bits(b, out);
    out.heads[1] = b.m;
  }
};

template <>
struct Packed<Q8_0> {
  static constexpr Shape kShape{1, 0, 1, 8};
  static void arrange(const Q8_0& b, RowBlock& out) {
    out.heads[0] = b.d;
    for (int l = 0; l < 32; ++l) out.words[l] = static_cast<Byte>(b.values[l] ^ 0x80);
  }
};

template <>
struct Packed<Q2_K> {
  static constexpr Shape kShape{2, 4, 8, 2};
  static void arrange(const Q2_K& b, RowBlock& out) {
    out.heads[0] = b.d;
    out.heads[1] = b.dmin;
    std::memcpy(out.words, b.scales, 16);
    Byte q[32];
    for (int sub = 0; sub < 8; ++sub) {
      get_crumbs(b.crumbs, sub, q);
      put_crumbs(q, 0, out.words + 16 + 8 * sub);
    }
  }
};

template <>
struct Packed<Q3_K> {
  static constexpr Shape kShape{1, 3, 8, 3};
  static void arrange(const Q3_K& b, RowBlock& out) {
    out.heads[0] = b.d;
    std::memcpy(out.words, b.scales, 12);
    Byte q[32];
    for (int sub = 0; sub < 8; ++sub) {
      Byte* words = out.words + 12 + 12 * sub;
      get_crumbs(b.crumbs, sub, q);
      put_crumbs(q, 0, words);
      for (int l = 0; l < 32; ++l) q[l] = b.third[l] >> sub & 1;
      put_bits(q, 0, words + 8);
    }
  }
};

template <>
struct Packed<Q4_K> {
  static constexpr Shape kShape{2, 3, 8, 4};
  static void arrange(const Q4_K& b, RowBlock& out) {
    out.heads[0] = b.d;
    out.heads[1] = b.dmin;
    std::memcpy(out.words, b.scales, 12);
    Byte q[32];
    for (int sub = 0; sub < 8; ++sub) {
      get_nibbles_of_64(b.nibbles, sub, q);
      put_nibbles(q, out.words + 12 + 16 * sub);
    }
  }
};

template <>
struct Packed<Q5_K> {
  static constexpr Shape kShape{2, 3, 8, 5};
  static void arrange(const Q5_K& b, RowBlock& out) {
    out.heads[0] = b.d;
    out.heads[1] = b.dmin;
    std::memcpy(out.words, b.scales, 12);
    Byte q[32];
    for (int sub = 0; sub < 8; ++sub) {
      Byte* words = out.words + 12 + 20 * sub;
      get_nibbles_of_64(b.nibbles, sub, q);
      put_nibbles(q, words);
      for (int l = 0; l < 32; ++l) q[l] = b.fifth[l] >> sub & 1;
      put_bits(q, 0, words + 16);
    }
  }
};

template <>
struct Packed<Q6_K> {
  static constexpr Shape kShape{1, 4, 8, 6};
  static void arrange(const Q6_K& b, RowBlock& out) {
    out.heads[0] = b.d;
    std::memcpy(out.words, b.scales, 16);
    Byte q[32];
    for (int sub = 0; sub < 8; ++sub) {
      Byte* words = out.words + 16 + 24 * sub;
      const Byte* nibbles = b.nibbles + sub / 4 * 64 + sub % 2 * 32;
      for (int l = 0; l < 32; ++l) q[l] = nibbles[l] >> (sub / 2 % 2 * 4) & 15;
      put_nibbles(q, words);
      get_crumbs(b.crumbs, sub, q);
      put_crumbs(q, 0, words + 16);
    }
  }
};

template <>
struct Packed<IQ4_XS> {
  static constexpr Shape kShape{2, 1, 8, 4};
  static void arrange(const IQ4_XS& b, RowBlock& out) {
    out.heads[0] = b.d;
    out.heads[1] = b.scales_high;
    std::memcpy(out.words, b.scales_low, 4);
    std::memcpy(out.words + 4, b.nibbles, 128);
  }
};

template <class Block>
Block load_block(const std::byte* row, std::int64_t index) {
  Block block;
  std::memcpy(&block, row + index * static_cast<std::int64_t>(sizeof block), sizeof block);
  return block;
}

// The words of one row's block to where the panel's block has them.
inline void spread_words(const Shape& shape, const RowBlock& from, int row, Byte* to) {
  const int group = row / 16, lane = row % 16;
  for (int i = 0; i < shape.heads; ++i)
    std::memcpy(to + 64 * i + 2 * row, &from.heads[i], sizeof(Half));
  Byte* lines = to + 64 * shape.heads;
  const Byte* words = from.words;
  const auto put = [&](int count) {
    Byte* line = lines + group * count * 64 + lane * 4;
    for (int w = 0; w < count; ++w) std::memcpy(line + w * 64, words + 4 * w, 4);
    lines += 2 * count * 64;
    words += 4 * count;
  };
  put(shape.scale_words);
  for (int sub = 0; sub < shape.sub_blocks; ++sub) put(shape.words);
}

template <class Block>
void pack_blocks(const PanelRows& rows, int columns, std::byte* out) {
  constexpr Shape kShape = Packed<Block>::kShape;
  constexpr int kColumns = 32 * kShape.sub_blocks;
  constexpr int kBytes = kPanelRows * static_cast<int>(sizeof(Block));
  static_assert(kBytes == 64 * kShape.heads + 2 * 64 * kShape.num_words());
  for (int b = 0; b < columns / kColumns; ++b, out += kBytes) {
    for (int r = 0; r < kPanelRows; ++r) {
      RowBlock arranged;
      const auto row = static_cast<std::size_t>(r);
      Packed<Block>::arrange(rows[row] ? load_block<Block>(rows[row], b) : Block{}, arranged);
      spread_words(kShape, arranged, r, reinterpret_cast<Byte*>(out));
    }
  }
}

// 32 bytes of e, then the lines of each group.
inline void pack_mxfp4(const PanelRows& rows, int columns, std::byte* out) {
  for (int b = 0; b < columns / 32; ++b, out += kPanelRows * sizeof(MXFP4)) {
    for (int r = 0; r < kPanelRows; ++r) {
      const auto row = static_cast<std::size_t>(r);
      const MXFP4 block = rows[row] ? load_block<MXFP4>(rows[row], b) : MXFP4{};
      out[r] = static_cast<std::byte>(block.e);
      std::byte* lines = out + kPanelRows + r / 16 * 256 + r % 16 * 4;
      for (int w = 0; w < 4; ++w) std::memcpy(lines + w * 64, block.nibbles + 4 * w, 4);
    }
  }
}

// [columns][32 rows], values of kSize bytes.
template <int kSize>
void pack_columns(const PanelRows& rows, int columns, std::byte* out) {
  for (int r = 0; r < kPanelRows; ++r) {
    const std::byte* row = rows[static_cast<std::size_t>(r)];
    std::byte* to = out + r * kSize;
    for (int k = 0; k < columns; ++k, to += kPanelRows * kSize) {
      if (row)
        std::memcpy(to, row + static_cast<std::int64_t>(k) * kSize, kSize);
      else
        std::memset(to, 0, kSize);
    }
  }
}

// [columns / 2][32 rows][2]; the odd column's partner is 0.
inline void pack_pairs(const PanelRows& rows, int columns, std::byte* out) {
  for (int r = 0; r < kPanelRows; ++r) {
    const std::byte* row = rows[static_cast<std::size_t>(r)];
    std::byte* to = out + r * 4;
    for (int k = 0; k < columns; k += 2, to += kPanelRows * 4) {
      std::memset(to, 0, 4);
      if (row) std::memcpy(to, row + static_cast<std::int64_t>(k) * 2, k + 1 < columns ? 4 : 2);
    }
  }
}

// A block's 32 scales, then [128 / 2][32 rows][2].
inline void pack_f8_scaled(const PanelRows& rows, int columns, std::byte* out) {
  for (int b = 0; b < columns / 128; ++b, out += kPanelRows * sizeof(F8Scaled))
    for (int r = 0; r < kPanelRows; ++r) {
      const std::byte* row = rows[static_cast<std::size_t>(r)];
      const F8Scaled block = row ? load_block<F8Scaled>(row, b) : F8Scaled{};
      std::memcpy(out + 4 * r, &block.scale, 4);
      for (int k = 0; k < 128; ++k)
        out[4 * kPanelRows + k / 2 * 64 + 2 * r + k % 2] = static_cast<std::byte>(block.values[k]);
    }
}

inline void pack_panel(DType type, const PanelRows& rows, int columns, std::byte* out) {
  switch (type) {
    case DType::kF32:
      return pack_columns<4>(rows, columns, out);
    case DType::kF16:
      return pack_columns<2>(rows, columns, out);
    case DType::kBF16:
      return pack_pairs(rows, columns, out);
    case DType::kF8E4M3:
      return;  // as F8_SCALED
    case DType::kQ4_0:
      return pack_blocks<Q4_0>(rows, columns, out);
    case DType::kQ4_1:
      return pack_blocks<Q4_1>(rows, columns, out);
    case DType::kQ5_0:
      return pack_blocks<Q5_0>(rows, columns, out);
    case DType::kQ5_1:
      return pack_blocks<Q5_1>(rows, columns, out);
    case DType::kQ8_0:
      return pack_blocks<Q8_0>(rows, columns, out);
    case DType::kQ2_K:
      return pack_blocks<Q2_K>(rows, columns, out);
    case DType::kQ3_K:
      return pack_blocks<Q3_K>(rows, columns, out);
    case DType::kQ4_K:
      return pack_blocks<Q4_K>(rows, columns, out);
    case DType::kQ5_K:
      return pack_blocks<Q5_K>(rows, columns, out);
    case DType::kQ6_K:
      return pack_blocks<Q6_K>(rows, columns, out);
    case DType::kIQ4_NL:
      return pack_blocks<IQ4_NL>(rows, columns, out);
    case DType::kIQ4_XS:
      return pack_blocks<IQ4_XS>(rows, columns, out);
    case DType::kMXFP4:
      return pack_mxfp4(rows, columns, out);
    case DType::kF8Scaled:
      return pack_f8_scaled(rows, columns, out);
  }
}

}  // namespace pronk::kernels::plain
