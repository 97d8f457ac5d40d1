// Stored rows, four at a time, as vectors of 32-bit words: word w of rows r to r + 3 side by side,
// which is how a packed line has them. What moves within a word then moves for four rows at once.
// Vectors of the compiler's own: SSE2 on x86-64, NEON on arm64.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pronk::kernels {

using Words = std::uint32_t __attribute__((vector_size(16)));   // one word of each of 4 rows
using Halves = std::uint16_t __attribute__((vector_size(16)));  // the same bytes

// Where the rows stand; none is null.
struct FourRows {
  const std::byte* row[4];
};

inline Words load_words(const std::byte* p) {
  Words w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

// The word at byte `offset` of each row.
inline Words word_at(const FourRows& rows, std::ptrdiff_t offset) {
  std::uint32_t w[4];
  for (int r = 0; r < 4; ++r) std::memcpy(&w[r], rows.row[r] + offset, sizeof w[r]);
  return Words{w[0], w[1], w[2], w[3]};
}

// The four words from byte `offset` on: a transposition of 4 x 4 words.
inline void four_words_at(const FourRows& rows, std::ptrdiff_t offset, Words* out) {
  const Words a = load_words(rows.row[0] + offset), b = load_words(rows.row[1] + offset);
  const Words c = load_words(rows.row[2] + offset), d = load_words(rows.row[3] + offset);
  const Words ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Words ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Words cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Words cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  out[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  out[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  out[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  out[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

// kCount words, a multiple of 4.
template <int kCount>
void words_at(const FourRows& rows, std::ptrdiff_t offset, Words* out) {
  static_assert(kCount % 4 == 0);
  for (int w = 0; w < kCount; w += 4) four_words_at(rows, offset + 4 * w, out + w);
}

// What follows works on words of one row (std::uint32_t, for unpacking) as on those of four
// (Words).

// Exchanges the bits of `b` in `mask` with those of `a` that stand `shift` higher.
template <class Word>
void exchange(Word& a, Word& b, int shift, std::uint32_t mask) {
  const Word difference = ((a >> shift) ^ b) & mask;
  b ^= difference;
  a ^= difference << shift;
}

// Exchanges the bits of `w` in `mask` with those that stand `shift` higher.
template <class Word>
void exchange_within(Word& w, int shift, std::uint32_t mask) {
  const Word difference = (w ^ (w >> shift)) & mask;
  w ^= difference ^ (difference << shift);
}

// In every byte, bits 2i of word j change places with bits 2j of word i: twice is nothing.
template <class Word>
void transpose_crumbs(Word* w) {  // 4
  exchange(w[0], w[1], 2, 0x33333333);
  exchange(w[2], w[3], 2, 0x33333333);
  exchange(w[0], w[2], 4, 0x0f0f0f0f);
  exchange(w[1], w[3], 4, 0x0f0f0f0f);
}

// In every byte, bit i of word j changes places with bit j of word i: twice is nothing.
template <class Word>
void transpose_bits(Word* w) {  // 8
  for (int i = 0; i < 8; i += 2) exchange(w[i], w[i + 1], 1, 0x55555555);
  for (int i : {0, 1, 4, 5}) exchange(w[i], w[i + 2], 2, 0x33333333);
  for (int i = 0; i < 4; ++i) exchange(w[i], w[i + 4], 4, 0x0f0f0f0f);
}

// Bit 4j + i of a word (i < 4, j < 8) becomes bit j of its byte i: the five bits of an index turn
// by two places, one exchange of two of them after the other.
struct BitExchange {
  int shift;
  std::uint32_t mask;
};
inline constexpr BitExchange kEveryFourth[] = {
    {14, 0x0000cccc}, {7, 0x00aa00aa}, {2, 0x0c0c0c0c}, {1, 0x22222222}};

template <class Word>
Word gather_every_fourth_bit(Word w) {
  for (int i = 0; i < 4; ++i) exchange_within(w, kEveryFourth[i].shift, kEveryFourth[i].mask);
  return w;
}
template <class Word>
Word scatter_every_fourth_bit(Word w) {  // the way back
  for (int i = 3; i >= 0; --i) exchange_within(w, kEveryFourth[i].shift, kEveryFourth[i].mask);
  return w;
}

}  // namespace pronk::kernels
