// A row of a packed panel as it was stored: pack.cc backwards, one row at a time.
#include <algorithm>
#include <cstring>

#include "kernels/pack.h"
#include "kernels/pack_words.h"
#include "pronk/result.h"
#include "tensor/blocks.h"

namespace pronk::kernels {
namespace {

using namespace blocks;
using Word = std::uint32_t;

// Gives one row's numbers of one panel block, in the order in which PartWriter took them.
class PartReader {
 public:
  PartReader(const std::byte* block, int row) : next_(block), row_(row) {}

  template <class... Head>
  void heads(Head&... heads) {
    (head(heads), ...);
  }
  // `count` lines of each of the two groups of 16 rows.
  void words(int count, Word* out) {
    const std::byte* line = next_ + row_ / 16 * count * 64 + row_ % 16 * 4;
    for (int w = 0; w < count; ++w) std::memcpy(&out[w], line + w * 64, sizeof out[w]);
    next_ += 2 * count * 64;
  }
  // The same, as the bytes of a block's member.
  template <class Member>
  void words_of(Member& member) {
    Word w[sizeof(Member) / sizeof(Word)];
    static_assert(sizeof w == sizeof member);
    words(sizeof(Member) / sizeof(Word), w);
    std::memcpy(&member, w, sizeof w);
  }

 private:
  template <class Head>
  void head(Head& head) {
    std::memcpy(&head, next_ + row_ * static_cast<int>(sizeof head), sizeof head);
    next_ += kPanelRows * sizeof head;
  }

  const std::byte* next_;
  int row_;
};

// The crumb words of 8 sub-blocks, back to the bytes that they share.
void write_crumbs(const Word (&crumbs)[8][2], std::uint8_t* out) {
  for (int half = 0; half < 2; ++half)
    for (int c = 0; c < 2; ++c) {
      Word q[4];
      for (int j = 0; j < 4; ++j) q[j] = crumbs[4 * half + j][c];
      transpose_crumbs(q);
      std::memcpy(out + 32 * half + 16 * c, q, sizeof q);
    }
}

// The bit words of 8 sub-blocks likewise.
void write_bits(Word (&bits)[8], std::uint8_t* out) {
  transpose_bits(bits);
  std::memcpy(out, bits, sizeof bits);
}

// The nibbles of columns l and l + 16 share a byte in `low` and `high`, those of columns l and
// l + 32 in `out`.
void join_nibbles(const Word (&low)[4], const Word (&high)[4], std::uint8_t* out) {
  Word q[8];
  for (int w = 0; w < 4; ++w) {
    q[w] = (low[w] & 0x0f0f0f0f) | (high[w] & 0x0f0f0f0f) << 4;
    q[w + 4] = (low[w] >> 4 & 0x0f0f0f0f) | (high[w] & 0xf0f0f0f0);
  }
  std::memcpy(out, q, sizeof q);
}

// One for each type: the table of docs/kernels.md, read from left to right.

template <class Block>
void restore_one_scale(PartReader in, Block& out) {  // Q4_0, IQ4_NL
  in.heads(out.d);
  in.words_of(out.nibbles);
}
void restore(PartReader in, Q4_0& out) { restore_one_scale(in, out); }
void restore(PartReader in, IQ4_NL& out) { restore_one_scale(in, out); }

void restore(PartReader in, Q4_1& out) {
  in.heads(out.d, out.m);
  in.words_of(out.nibbles);
}

template <class Block>
void restore_five_bits(PartReader in, Block& out) {
  Word q[5];
  in.words(5, q);
  const Word fifth = scatter_every_fourth_bit(q[4]);
  std::memcpy(out.nibbles, q, sizeof out.nibbles);
  std::memcpy(out.fifth, &fifth, sizeof out.fifth);
}
void restore(PartReader in, Q5_0& out) {
  in.heads(out.d);
  restore_five_bits(in, out);
}
void restore(PartReader in, Q5_1& out) {
  in.heads(out.d, out.m);
  restore_five_bits(in, out);
}

void restore(PartReader in, Q8_0& out) {
  in.heads(out.d);
  Word q[8];
  in.words(8, q);
  for (Word& w : q) w ^= 0x80808080;
  std::memcpy(out.values, q, sizeof out.values);
}

void restore(PartReader in, MXFP4& out) {
  in.heads(out.e);
  in.words_of(out.nibbles);
}

void restore(PartReader in, Q2_K& out) {
  in.heads(out.d, out.dmin);
  in.words_of(out.scales);
  Word crumbs[8][2];
  for (Word(&words)[2] : crumbs) in.words(2, words);
  write_crumbs(crumbs, out.crumbs);
}

void restore(PartReader in, Q3_K& out) {
  in.heads(out.d);
  in.words_of(out.scales);
  Word crumbs[8][2], third[8];
  for (int sub = 0; sub < 8; ++sub) {
    Word words[3];
    in.words(3, words);
    crumbs[sub][0] = words[0], crumbs[sub][1] = words[1], third[sub] = words[2];
  }
  write_crumbs(crumbs, out.crumbs);
  write_bits(third, out.third);
}

void restore(PartReader in, Q4_K& out) {
  in.heads(out.d, out.dmin);
  in.words_of(out.scales);
  for (int pair = 0; pair < 4; ++pair) {
    Word low[4], high[4];
    in.words(4, low);
    in.words(4, high);
    join_nibbles(low, high, out.nibbles + 32 * pair);
  }
}

void restore(PartReader in, Q5_K& out) {
  in.heads(out.d, out.dmin);
  in.words_of(out.scales);
  Word fifth[8];
  for (int pair = 0; pair < 4; ++pair) {
    Word low[5], high[5];
    in.words(5, low);
    in.words(5, high);
    fifth[2 * pair] = low[4], fifth[2 * pair + 1] = high[4];
    join_nibbles({low[0], low[1], low[2], low[3]}, {high[0], high[1], high[2], high[3]},
                 out.nibbles + 32 * pair);
  }
  write_bits(fifth, out.fifth);
}

void restore(PartReader in, Q6_K& out) {
  in.heads(out.d);
  in.words_of(out.scales);
  Word nibbles[8][4], crumbs[8][2];
  for (int sub = 0; sub < 8; ++sub) {
    Word words[6];
    in.words(6, words);
    std::copy_n(words, 4, nibbles[sub]);
    std::copy_n(words + 4, 2, crumbs[sub]);
  }
  write_crumbs(crumbs, out.crumbs);
  for (int i = 0; i < 4; ++i) {  // 32 bytes hold sub-blocks 4 (i / 2) + i % 2 and the next but one
    const int sub = i / 2 * 4 + i % 2;
    join_nibbles(nibbles[sub], nibbles[sub + 2], out.nibbles + 32 * i);
  }
}

void restore(PartReader in, IQ4_XS& out) {
  in.heads(out.d, out.scales_high);
  in.words_of(out.scales_low);
  for (std::uint8_t(&nibbles)[16] : out.nibbles) in.words_of(nibbles);
}

template <class Block>
void unpack_blocks(DType type, const std::byte* panel, int row, int columns, std::byte* out) {
  constexpr std::int64_t kSize = sizeof(Block);
  const int num_blocks = columns / info(type).block_size;
  for (std::int64_t b = 0; b < num_blocks; ++b) {
    Block block;
    restore(PartReader(panel + b * kPanelRows * kSize, row), block);
    std::memcpy(out + b * kSize, &block, sizeof block);
  }
}

// From [row_size / value_size][32 rows], values of value_size bytes, the last one perhaps cut.
void unpack_columns(int value_size, const std::byte* panel, int row, std::int64_t row_size,
                    std::byte* out) {
  for (std::int64_t offset = 0; offset < row_size; offset += value_size)
    std::memcpy(out + offset, panel + offset * kPanelRows + row * value_size,
                static_cast<std::size_t>(std::min<std::int64_t>(value_size, row_size - offset)));
}

void unpack_f8_scaled(const std::byte* panel, int row, int columns, std::byte* out) {
  constexpr int kValues = sizeof F8Scaled{}.values;
  for (int b = 0; b < columns / kValues; ++b, panel += kPanelRows * sizeof(F8Scaled)) {
    F8Scaled block;
    std::memcpy(&block.scale, panel + row * static_cast<int>(sizeof block.scale),
                sizeof block.scale);
    unpack_columns(2, panel + kPanelRows * sizeof block.scale, row, kValues,
                   reinterpret_cast<std::byte*>(block.values));
    std::memcpy(out, &block, sizeof block);
    out += sizeof block;
  }
}

}  // namespace

void unpack_row(DType type, const std::byte* panel, int row, int columns, std::byte* out) {
  PRONK_CHECK(columns % info(type).block_size == 0, "rows are whole blocks");
  PRONK_CHECK(row >= 0 && row < kPanelRows, "a panel has 32 rows");
  const std::int64_t row_size = row_bytes(type, columns);
  switch (type) {
    case DType::kF32:
    case DType::kBF16:  // pairs
      return unpack_columns(4, panel, row, row_size, out);
    case DType::kF16:
      return unpack_columns(2, panel, row, row_size, out);
    case DType::kF8E4M3:
      return PRONK_CHECK(false, "FP8 is packed as F8_SCALED");
    case DType::kQ4_0:
      return unpack_blocks<Q4_0>(type, panel, row, columns, out);
    case DType::kQ4_1:
      return unpack_blocks<Q4_1>(type, panel, row, columns, out);
    case DType::kQ5_0:
      return unpack_blocks<Q5_0>(type, panel, row, columns, out);
    case DType::kQ5_1:
      return unpack_blocks<Q5_1>(type, panel, row, columns, out);
    case DType::kQ8_0:
      return unpack_blocks<Q8_0>(type, panel, row, columns, out);
    case DType::kQ2_K:
      return unpack_blocks<Q2_K>(type, panel, row, columns, out);
    case DType::kQ3_K:
      return unpack_blocks<Q3_K>(type, panel, row, columns, out);
    case DType::kQ4_K:
      return unpack_blocks<Q4_K>(type, panel, row, columns, out);
    case DType::kQ5_K:
      return unpack_blocks<Q5_K>(type, panel, row, columns, out);
    case DType::kQ6_K:
      return unpack_blocks<Q6_K>(type, panel, row, columns, out);
    case DType::kIQ4_NL:
      return unpack_blocks<IQ4_NL>(type, panel, row, columns, out);
    case DType::kIQ4_XS:
      return unpack_blocks<IQ4_XS>(type, panel, row, columns, out);
    case DType::kMXFP4:
      return unpack_blocks<MXFP4>(type, panel, row, columns, out);
    case DType::kF8Scaled:
      return unpack_f8_scaled(panel, row, columns, out);
  }
}

}  // namespace pronk::kernels
