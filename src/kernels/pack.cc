#include "kernels/pack.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "kernels/pack_words.h"
#include "pronk/result.h"
#include "tensor/blocks.h"

namespace pronk::kernels {
namespace {

using namespace blocks;

// Takes the lines of one panel block in their order, from four rows at a time. A part is `count`
// lines of each of the two groups of 16 rows, one group after the other.
class PartWriter {
 public:
  PartWriter(std::byte* lines, int first_row) : next_(lines), row_(first_row) {}

  void put(const Words* words, int count) {
    std::byte* line = next_ + row_ / 16 * count * 64 + row_ % 16 * 4;
    for (int w = 0; w < count; ++w) std::memcpy(line + w * 64, &words[w], sizeof words[w]);
    next_ += 2 * count * 64;
  }

 private:
  std::byte* next_;
  int row_;
};

// 32 integers of two nibbles a byte, columns l and l + 32 sharing a byte, to words where columns l
// and l + 16 do: those of the low nibbles, then those of the high ones.
void split_nibbles(const Words (&q)[8], Words (&low)[4], Words (&high)[4]) {
  for (int w = 0; w < 4; ++w) {
    low[w] = (q[w] & 0x0f0f0f0f) | (q[w + 4] & 0x0f0f0f0f) << 4;
    high[w] = (q[w] >> 4 & 0x0f0f0f0f) | (q[w + 4] & 0xf0f0f0f0);
  }
}

// The two crumb words of each of 8 sub-blocks.
void read_crumbs(const FourRows& rows, std::ptrdiff_t offset, Words (&out)[8][2]) {
  Words q[4];
  for (int half = 0; half < 2; ++half)
    for (int c = 0; c < 2; ++c) {
      words_at<4>(rows, offset + 32 * half + 16 * c, q);
      transpose_crumbs(q);
      for (int j = 0; j < 4; ++j) out[4 * half + j][c] = q[j];
    }
}

// The bit word of each of 8 sub-blocks, whose bits share the bytes of 8 words.
void read_bits(const FourRows& rows, std::ptrdiff_t offset, Words (&out)[8]) {
  words_at<8>(rows, offset, out);
  transpose_bits(out);
}

// How a block's numbers come into the packed order (the table of docs/kernels.md): kColumns, the
// offsets of the 16-bit heads, and arrange(), which puts the rest of four rows' blocks.
template <class Block>
struct Packed;

template <class Block>
struct PackedNibbles {
  static constexpr int kColumns = 32;
  static void arrange(const FourRows& rows, PartWriter out) {
    Words q[4];
    words_at<4>(rows, offsetof(Block, nibbles), q);
    out.put(q, 4);
  }
};
template <>
struct Packed<Q4_0> : PackedNibbles<Q4_0> {
  static constexpr int kHeads[] = {offsetof(Q4_0, d)};
};
template <>
struct Packed<IQ4_NL> : PackedNibbles<IQ4_NL> {
  static constexpr int kHeads[] = {offsetof(IQ4_NL, d)};
};
template <>
struct Packed<Q4_1> : PackedNibbles<Q4_1> {
  static constexpr int kHeads[] = {offsetof(Q4_1, d), offsetof(Q4_1, m)};
};

template <class Block>
struct PackedFiveBits {
  static constexpr int kColumns = 32;
  static void arrange(const FourRows& rows, PartWriter out) {
    Words q[5];
    words_at<4>(rows, offsetof(Block, nibbles), q);
    q[4] = gather_every_fourth_bit(word_at(rows, offsetof(Block, fifth)));
    out.put(q, 5);
  }
};
template <>
struct Packed<Q5_0> : PackedFiveBits<Q5_0> {
  static constexpr int kHeads[] = {offsetof(Q5_0, d)};
};
template <>
struct Packed<Q5_1> : PackedFiveBits<Q5_1> {
  static constexpr int kHeads[] = {offsetof(Q5_1, d), offsetof(Q5_1, m)};
};

template <>
struct Packed<Q8_0> {
  static constexpr int kColumns = 32, kHeads[] = {offsetof(Q8_0, d)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words q[8];
    words_at<8>(rows, offsetof(Q8_0, values), q);
    for (Words& w : q) w ^= 0x80808080;
    out.put(q, 8);
  }
};

template <>
struct Packed<Q2_K> {
  static constexpr int kColumns = 256, kHeads[] = {offsetof(Q2_K, d), offsetof(Q2_K, dmin)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words scales[4], crumbs[8][2];
    words_at<4>(rows, offsetof(Q2_K, scales), scales);
    out.put(scales, 4);
    read_crumbs(rows, offsetof(Q2_K, crumbs), crumbs);
    for (const auto& words : crumbs) out.put(words, 2);
  }
};

template <>
struct Packed<Q3_K> {
  static constexpr int kColumns = 256, kHeads[] = {offsetof(Q3_K, d)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words scales[3], crumbs[8][2], third[8];
    for (int i = 0; i < 3; ++i)
      scales[i] = word_at(rows, std::ptrdiff_t{offsetof(Q3_K, scales)} + 4 * i);
    out.put(scales, 3);
    read_crumbs(rows, offsetof(Q3_K, crumbs), crumbs);
    read_bits(rows, offsetof(Q3_K, third), third);
    for (int sub = 0; sub < 8; ++sub) {
      const Words words[3] = {crumbs[sub][0], crumbs[sub][1], third[sub]};
      out.put(words, 3);
    }
  }
};

template <>
struct Packed<Q4_K> {
  static constexpr int kColumns = 256, kHeads[] = {offsetof(Q4_K, d), offsetof(Q4_K, dmin)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words heads_and_scales[4], q[8], low[4], high[4];
    words_at<4>(rows, 0, heads_and_scales);
    out.put(heads_and_scales + 1, 3);
    for (int pair = 0; pair < 4; ++pair) {
      words_at<8>(rows, std::ptrdiff_t{offsetof(Q4_K, nibbles)} + 32 * pair, q);
      split_nibbles(q, low, high);
      out.put(low, 4);
      out.put(high, 4);
    }
  }
};

template <>
struct Packed<Q5_K> {
  static constexpr int kColumns = 256, kHeads[] = {offsetof(Q5_K, d), offsetof(Q5_K, dmin)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words heads_and_scales[4], q[8], low[4], high[4], fifth[8];
    words_at<4>(rows, 0, heads_and_scales);
    out.put(heads_and_scales + 1, 3);
    read_bits(rows, offsetof(Q5_K, fifth), fifth);
    for (int pair = 0; pair < 4; ++pair) {
      words_at<8>(rows, std::ptrdiff_t{offsetof(Q5_K, nibbles)} + 32 * pair, q);
      split_nibbles(q, low, high);
      const Words first[5] = {low[0], low[1], low[2], low[3], fifth[2 * pair]};
      const Words second[5] = {high[0], high[1], high[2], high[3], fifth[2 * pair + 1]};
      out.put(first, 5);
      out.put(second, 5);
    }
  }
};

template <>
struct Packed<Q6_K> {
  static constexpr int kColumns = 256, kHeads[] = {offsetof(Q6_K, d)};
  static void arrange(const FourRows& rows, PartWriter out) {
    Words scales[4], crumbs[8][2], q[8], nibbles[8][4];
    words_at<4>(rows, offsetof(Q6_K, scales), scales);
    out.put(scales, 4);
    read_crumbs(rows, offsetof(Q6_K, crumbs), crumbs);
    for (int i = 0; i < 4;
         ++i) {  // 32 bytes hold sub-blocks 4 (i / 2) + i % 2 and the next but one
      const int sub = i / 2 * 4 + i % 2;
      words_at<8>(rows, std::ptrdiff_t{offsetof(Q6_K, nibbles)} + 32 * i, q);
      split_nibbles(q, nibbles[sub], nibbles[sub + 2]);
    }
    for (int sub = 0; sub < 8; ++sub) {
      const Words* n = nibbles[sub];
      const Words words[6] = {n[0], n[1], n[2], n[3], crumbs[sub][0], crumbs[sub][1]};
      out.put(words, 6);
    }
  }
};

template <>
struct Packed<IQ4_XS> {
  static constexpr int kColumns = 256,
                       kHeads[] = {offsetof(IQ4_XS, d), offsetof(IQ4_XS, scales_high)};
  static void arrange(const FourRows& rows, PartWriter out) {
    const Words scales = word_at(rows, offsetof(IQ4_XS, scales_low));
    out.put(&scales, 1);
    Words q[4];
    for (int sub = 0; sub < 8; ++sub) {
      words_at<4>(rows, std::ptrdiff_t{offsetof(IQ4_XS, nibbles)} + 16 * sub, q);
      out.put(q, 4);
    }
  }
};

// Rows r to r + 3 of a panel, each `offset` bytes on; zeros for those that it lacks, as long as the
// largest block.
FourRows rows_from(const PanelRows& rows, int r, std::ptrdiff_t offset) {
  static constexpr std::byte kZeros[sizeof(Q6_K)] = {};
  FourRows four;
  const auto first = static_cast<std::size_t>(r);
  for (std::size_t i = 0; i < 4; ++i)
    four.row[i] = rows[first + i] ? rows[first + i] + offset : kZeros;
  return four;
}

// Asks for `size` bytes at an address that may be no memory, which costs nothing then.
void prefetch(std::uintptr_t address, std::uintptr_t size) {
  constexpr std::uintptr_t kLine = 64;
  for (std::uintptr_t i = 0; i < size; i += kLine)
    __builtin_prefetch(reinterpret_cast<const void*>(address + i), 0, 3);
}

template <class Block>
void pack_blocks(const PanelRows& rows, int columns, std::byte* out) {
  using P = Packed<Block>;
  constexpr int kBlockBytes = sizeof(Block), kHeadBytes = 64 * std::size(P::kHeads);
  // The next panel mostly stands behind this one.
  const std::uintptr_t row_size = static_cast<std::uintptr_t>(columns) / P::kColumns * kBlockBytes;
  std::uintptr_t ahead = reinterpret_cast<std::uintptr_t>(rows[0]) + kPanelRows * row_size;
  for (int b = 0; b < columns / P::kColumns; ++b, out += kPanelRows * kBlockBytes)
    for (int r = 0; r < kPanelRows; r += 4, ahead += 4 * kBlockBytes) {
      const FourRows four = rows_from(rows, r, std::ptrdiff_t{b} * kBlockBytes);
      prefetch(ahead, 4 * kBlockBytes);
      std::byte* head = out + 2 * r;
      for (const int offset : P::kHeads) {
        for (int i = 0; i < 4; ++i) std::memcpy(head + 2 * i, four.row[i] + offset, sizeof(Half));
        head += 64;
      }
      P::arrange(four, PartWriter(out + kHeadBytes, r));
    }
}

// 32 bytes of e, then the lines of each group.
void pack_mxfp4(const PanelRows& rows, int columns, std::byte* out) {
  constexpr int kBlockBytes = sizeof(MXFP4);
  for (int b = 0; b < columns / 32; ++b, out += kPanelRows * kBlockBytes)
    for (int r = 0; r < kPanelRows; r += 4) {
      const FourRows four = rows_from(rows, r, std::ptrdiff_t{b} * kBlockBytes);
      for (int i = 0; i < 4; ++i) out[r + i] = *four.row[i];
      PackedNibbles<MXFP4>::arrange(four, PartWriter(out + kPanelRows, r));
    }
}

// The next `size` bytes (1 to 16) of four rows as words, filled up with zeros.
void next_words(const FourRows& rows, std::int64_t size, Words (&out)[4]) {
  if (size == 16) return words_at<4>(rows, 0, out);
  std::byte copies[4][16] = {};
  FourRows copied;
  for (int i = 0; i < 4; ++i) {
    std::memcpy(copies[i], rows.row[i], static_cast<std::size_t>(size));
    copied.row[i] = copies[i];
  }
  words_at<4>(copied, 0, out);
}

// The values of kSize bytes that a word of four rows holds, value by value, each row's beside the
// other's; `stride` bytes from value to value.
template <int kSize>
void put_values(Words word, int count, std::int64_t stride, std::byte* out) {
  if constexpr (kSize == 2) {
    const Halves h = reinterpret_cast<Halves>(word);
    word = reinterpret_cast<Words>(__builtin_shufflevector(h, h, 0, 2, 4, 6, 1, 3, 5, 7));
  }
  std::byte bytes[16];
  std::memcpy(bytes, &word, sizeof bytes);
  for (int i = 0; i < count; ++i)
    std::memcpy(out + i * stride, bytes + i * 4 * kSize, std::size_t{4 * kSize});
}

// [row_size / kSize][32 rows], values of kSize bytes; a last value that rows end within gets zeros.
template <int kSize>
void pack_columns(const PanelRows& rows, std::int64_t row_size, std::byte* out) {
  constexpr std::int64_t kStride = kPanelRows * kSize;
  for (std::int64_t offset = 0; offset < row_size; offset += 16)
    for (int r = 0; r < kPanelRows; r += 4) {
      const std::int64_t size = std::min<std::int64_t>(16, row_size - offset);
      Words words[4];
      next_words(rows_from(rows, r, offset), size, words);
      std::byte* to = out + offset / kSize * kStride + r * kSize;
      for (int left = static_cast<int>((size + kSize - 1) / kSize), w = 0; left > 0; ++w) {
        const int count = std::min(left, 4 / kSize);
        put_values<kSize>(words[w], count, kStride, to);
        to += count * kStride;
        left -= count;
      }
    }
}

// A line of scales of each group, then [64 pairs of columns][32 rows][2].
void pack_f8_scaled(const PanelRows& rows, int columns, std::byte* out) {
  constexpr int kValues = sizeof F8Scaled{}.values;
  for (int b = 0; b < columns / kValues; ++b, out += kPanelRows * sizeof(F8Scaled)) {
    PanelRows values{};
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::byte* block = rows[r] ? rows[r] + b * std::ptrdiff_t{sizeof(F8Scaled)} : nullptr;
      const float none = 0;
      std::memcpy(out + 4 * r, block ? static_cast<const void*>(block) : &none, sizeof none);
      if (block) values[r] = block + offsetof(F8Scaled, values);
    }
    pack_columns<2>(values, kValues, out + kPanelRows * sizeof(float));
  }
}

}  // namespace

static_assert(kNumWeightTypes == kNumDTypes);

std::int64_t panel_bytes(DType type, std::int64_t columns) {
  if (type == DType::kBF16) columns += columns & 1;
  return kPanelRows * row_bytes(type, columns);
}

void pack_panel(DType type, const PanelRows& rows, int columns, std::byte* out) {
  PRONK_CHECK(columns % info(type).block_size == 0, "rows are whole blocks");
  const std::int64_t row_size = row_bytes(type, columns);
  switch (type) {
    case DType::kF32:
      return pack_columns<4>(rows, row_size, out);
    case DType::kF16:
      return pack_columns<2>(rows, row_size, out);
    case DType::kBF16:
      return pack_columns<4>(rows, row_size, out);  // pairs
    case DType::kF8E4M3:
      return PRONK_CHECK(false, "FP8 is packed as F8_SCALED");
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

}  // namespace pronk::kernels
