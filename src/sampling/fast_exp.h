// The exponential of numbers at or below zero, in plain float arithmetic that compilers vectorize.
#pragma once
#include <bit>
#include <cstdint>

namespace pronk {

// exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2 in [-ln2/2, ln2/2], exp(r) by its series
// to r^7. Within 2 ulp of exp for x in [-87, 0]; 0 below, -infinity included.
inline float exp_nonpositive(float x) {
  constexpr float kLowest = -87.0f;  // the result stays a normal number
  constexpr float kLog2e = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float y = x > kLowest ? x : kLowest;
  const float n = (y * kLog2e + kRound) - kRound;
  const float r = (y - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const auto bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127) << 23;
  const float scaled = p * std::bit_cast<float>(bits);
  return x < kLowest ? 0.0f : scaled;
}

}  // namespace pronk
