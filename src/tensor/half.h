// Small floats to and from float32, one value at a time, the same bits on every machine.
#pragma once
#include <bit>
#include <cstdint>

namespace pronk {

// IEEE binary16: 1 sign, 5 exponent (bias 15), 10 mantissa bits. Exact.
inline float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000) << 16;
  const std::uint32_t rest = h & 0x7fffu;
  if (rest >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400) return std::bit_cast<float>(sign | ((rest << 13) + (112u << 23)));
  const float magnitude = static_cast<float>(rest) * 0x1p-24f;  // zero or subnormal
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

// To nearest, ties to even; beyond the range, infinity.
inline std::uint16_t float_to_half(float f) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(f);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00 | (rest >> 13 & 0x3ff));
  if (rest >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);  // 65520 and more
  if (rest <
      0x38800000) {  // below 2^-14: adding 0.5 leaves the subnormal's bits, rounded, at the end
    const float shifted = std::bit_cast<float>(rest) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) & 0xffff));
  }
  const std::uint32_t rounded = rest - (112u << 23) + 0xfff + (rest >> 13 & 1);
  return static_cast<std::uint16_t>(sign | rounded >> 13);
}

// bfloat16: the upper half of a float32.
inline float bf16_to_float(std::uint16_t b) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

// To nearest, ties to even; NaN stays NaN.
inline std::uint16_t float_to_bf16(float f) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(f);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// E4M3 as FP8 checkpoints use it: 1 sign, 4 exponent (bias 7), 3 mantissa bits, no infinity, NaN
// where all other bits are set; largest 448. Exact.
inline float f8e4m3_to_float(std::uint8_t v) {
  const std::uint32_t sign = static_cast<std::uint32_t>(v & 0x80) << 24;
  const std::uint32_t rest = v & 0x7fu;
  if (rest == 0x7f) return std::bit_cast<float>(sign | 0x7fc00000);
  const float magnitude = rest >= 8 ? std::bit_cast<float>((rest << 20) + (120u << 23))
                                    : static_cast<float>(rest) * 0x1p-9f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

// To nearest, ties to even; beyond the range (infinity too), ±448; NaN stays NaN.
inline std::uint8_t float_to_f8e4m3(float f) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(f);
  const std::uint32_t sign = bits >> 24 & 0x80;
  const std::uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return static_cast<std::uint8_t>(sign | 0x7f);
  if (rest >= 0x43e00000) return static_cast<std::uint8_t>(sign | 0x7e);  // 448 and more
  if (rest < 0x3c800000) {  // below 2^-6: the last place of 2^14 + x is 2^-9
    const float shifted = std::bit_cast<float>(rest) + 0x1p14f;
    return static_cast<std::uint8_t>(sign | (std::bit_cast<std::uint32_t>(shifted) & 0xff));
  }
  const std::uint32_t rounded = rest - (120u << 23) + 0x7ffff + (rest >> 20 & 1);
  return static_cast<std::uint8_t>(sign | rounded >> 20);
}

}  // namespace pronk
