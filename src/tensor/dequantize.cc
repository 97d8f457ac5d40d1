#include "tensor/dequantize.h"

#include <bit>
#include <cstring>

#include "tensor/blocks.h"
#include "tensor/half.h"

namespace pronk {
namespace {

using namespace blocks;

constexpr int kSmall = 32, kLarge = 256;  // values in a block

// Value l of 32 whose low nibbles are values 0-15 and high nibbles 16-31.
int nibble(const std::uint8_t* nibbles, int l) { return nibbles[l % 16] >> (l / 16 * 4) & 15; }

// 2-bit value i of 256, as Q2_K, Q3_K and Q6_K store them.
int crumb(const std::uint8_t* crumbs, int i) {
  return crumbs[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
}

// 4-bit value i of 256, as Q4_K and Q5_K store them: 32 low nibbles, then the 32 high ones.
int nibble_of_64(const std::uint8_t* nibbles, int i) {
  return nibbles[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
}

int bit_plane(const std::uint8_t* bits, int i) { return bits[i % 32] >> (i / 32) & 1; }

int fifth_bit(const std::uint8_t* fifth, int l) { return fifth[l / 8] >> (l % 8) & 1; }

// The 6-bit scales and mins of Q4_K and Q5_K: four of each whole in bytes 0-7, whose top two bits
// are those of the other four, low nibbles in bytes 8-11.
struct ScaleAndMin {
  int scale, min;
};
ScaleAndMin scale_and_min(const std::uint8_t* s, int i) {
  if (i < 4) return {s[i] & 63, s[i + 4] & 63};
  return {(s[i + 4] & 15) | (s[i - 4] >> 6 << 4), (s[i + 4] >> 4) | (s[i] >> 6 << 4)};
}

int q3_scale(const std::uint8_t* s, int i) {
  const int low = s[i % 8] >> (i / 8 * 4) & 15;
  const int high = s[8 + i % 4] >> (i / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

float f(int i) { return static_cast<float>(i); }

// 2^(e − 128), so that kE2m1Doubled counts in halves.
float e8m0_half(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : static_cast<std::uint32_t>(e - 1) << 23);
}

// One block each. The order of the float operations is part of the contract.

void decode(const Q4_0& b, float* out) {
  const float d = half_to_float(b.d);
  for (int l = 0; l < kSmall; ++l) out[l] = d * f(nibble(b.nibbles, l) - 8);
}

void decode(const Q4_1& b, float* out) {
  const float d = half_to_float(b.d), m = half_to_float(b.m);
  for (int l = 0; l < kSmall; ++l) out[l] = d * f(nibble(b.nibbles, l)) + m;
}

void decode(const Q5_0& b, float* out) {
  const float d = half_to_float(b.d);
  for (int l = 0; l < kSmall; ++l)
    out[l] = d * f((nibble(b.nibbles, l) | fifth_bit(b.fifth, l) << 4) - 16);
}

void decode(const Q5_1& b, float* out) {
  const float d = half_to_float(b.d), m = half_to_float(b.m);
  for (int l = 0; l < kSmall; ++l)
    out[l] = d * f(nibble(b.nibbles, l) | fifth_bit(b.fifth, l) << 4) + m;
}

void decode(const Q8_0& b, float* out) {
  const float d = half_to_float(b.d);
  for (int l = 0; l < kSmall; ++l) out[l] = f(b.values[l]) * d;
}

void decode(const IQ4_NL& b, float* out) {
  const float d = half_to_float(b.d);
  for (int l = 0; l < kSmall; ++l) out[l] = d * f(kIq4Values[nibble(b.nibbles, l)]);
}

void decode(const MXFP4& b, float* out) {
  const float d = e8m0_half(b.e);
  for (int l = 0; l < kSmall; ++l) out[l] = d * f(kE2m1Doubled[nibble(b.nibbles, l)]);
}

void decode(const F8Scaled& b, float* out) {
  for (const std::uint8_t value : b.values) *out++ = f8e4m3_to_float(value) * b.scale;
}

void decode(const Q2_K& b, float* out) {
  const float d = half_to_float(b.d), dmin = half_to_float(b.dmin);
  for (int i = 0; i < kLarge; ++i) {
    const float scale = d * f(b.scales[i / 16] & 15), min = dmin * f(b.scales[i / 16] >> 4);
    out[i] = scale * f(crumb(b.crumbs, i)) - min;
  }
}

void decode(const Q3_K& b, float* out) {
  const float d = half_to_float(b.d);
  for (int i = 0; i < kLarge; ++i) {
    const float scale = d * f(q3_scale(b.scales, i / 16));
    out[i] = scale * f((crumb(b.crumbs, i) | bit_plane(b.third, i) << 2) - 4);
  }
}

void decode(const Q4_K& b, float* out) {
  const float d = half_to_float(b.d), dmin = half_to_float(b.dmin);
  for (int i = 0; i < kLarge; ++i) {
    const ScaleAndMin s = scale_and_min(b.scales, i / 32);
    out[i] = d * f(s.scale) * f(nibble_of_64(b.nibbles, i)) - dmin * f(s.min);
  }
}

void decode(const Q5_K& b, float* out) {
  const float d = half_to_float(b.d), dmin = half_to_float(b.dmin);
  for (int i = 0; i < kLarge; ++i) {
    const ScaleAndMin s = scale_and_min(b.scales, i / 32);
    const int q = nibble_of_64(b.nibbles, i) | bit_plane(b.fifth, i) << 4;
    out[i] = d * f(s.scale) * f(q) - dmin * f(s.min);
  }
}

void decode(const Q6_K& b, float* out) {
  const float d = half_to_float(b.d);
  for (int i = 0; i < kLarge; ++i) {
    const int low = b.nibbles[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
    out[i] = d * f(b.scales[i / 16]) * f((low | crumb(b.crumbs, i) << 4) - 32);
  }
}

void decode(const IQ4_XS& b, float* out) {
  const float d = half_to_float(b.d);
  for (int i = 0; i < kLarge; ++i) {
    const int s = i / 32;
    const int scale = (b.scales_low[s / 2] >> (s % 2 * 4) & 15) | (b.scales_high >> 2 * s & 3) << 4;
    out[i] = d * f(scale - 32) * f(kIq4Values[nibble(b.nibbles[s], i % 32)]);
  }
}

template <class Block, int kValues>
void decode_row(const std::byte* row, std::int64_t n, float* out) {
  Block block;
  for (std::int64_t i = 0; i < n; i += kValues, row += sizeof block) {
    std::memcpy(&block, row, sizeof block);  // rows in files need not be aligned
    decode(block, out + i);
  }
}

// One small float each.
template <class Stored, float (*to_float)(Stored)>
void convert_row(const std::byte* row, std::int64_t n, float* out) {
  Stored value;
  for (std::int64_t i = 0; i < n; ++i) {
    std::memcpy(&value, row + i * static_cast<std::int64_t>(sizeof value), sizeof value);
    out[i] = to_float(value);
  }
}

}  // namespace

void dequantize_row(DType type, const std::byte* row, std::int64_t n, float* out) {
  switch (type) {
    case DType::kF32:
      std::memcpy(out, row, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case DType::kF16:
      return convert_row<std::uint16_t, half_to_float>(row, n, out);
    case DType::kBF16:
      return convert_row<std::uint16_t, bf16_to_float>(row, n, out);
    case DType::kF8E4M3:
      return convert_row<std::uint8_t, f8e4m3_to_float>(row, n, out);
    case DType::kQ4_0:
      return decode_row<Q4_0, kSmall>(row, n, out);
    case DType::kQ4_1:
      return decode_row<Q4_1, kSmall>(row, n, out);
    case DType::kQ5_0:
      return decode_row<Q5_0, kSmall>(row, n, out);
    case DType::kQ5_1:
      return decode_row<Q5_1, kSmall>(row, n, out);
    case DType::kQ8_0:
      return decode_row<Q8_0, kSmall>(row, n, out);
    case DType::kQ2_K:
      return decode_row<Q2_K, kLarge>(row, n, out);
    case DType::kQ3_K:
      return decode_row<Q3_K, kLarge>(row, n, out);
    case DType::kQ4_K:
      return decode_row<Q4_K, kLarge>(row, n, out);
    case DType::kQ5_K:
      return decode_row<Q5_K, kLarge>(row, n, out);
    case DType::kQ6_K:
      return decode_row<Q6_K, kLarge>(row, n, out);
    case DType::kIQ4_NL:
      return decode_row<IQ4_NL, kSmall>(row, n, out);
    case DType::kIQ4_XS:
      return decode_row<IQ4_XS, kLarge>(row, n, out);
    case DType::kMXFP4:
      return decode_row<MXFP4, kSmall>(row, n, out);
    case DType::kF8Scaled:
      return decode_row<F8Scaled, std::size(F8Scaled{}.values)>(row, n, out);
  }
}

}  // namespace pronk
