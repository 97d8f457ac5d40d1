#include "formats/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pronk {

std::vector<float> llama3_divisors(const RopeConfig& rope, int head_dim) {
  std::vector<float> divisors;
  const RopeScaling& s = rope.scaling;
  if (s.kind != RopeScaling::Kind::kLlama3) return divisors;
  for (int i = 0; i < head_dim / 2; ++i) {
    const double wavelength = 2 * std::numbers::pi * std::pow(rope.theta, 2.0 * i / head_dim);
    const double turns = s.original_context / wavelength;  // within the original context
    // 0 where the frequency is divided by the factor, 1 where it is kept.
    const double kept = std::clamp(
        (turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - kept) / s.factor + kept)));
  }
  return divisors;
}

std::optional<RopeScaling> scaling_of_divisors(const RopeConfig& rope, int head_dim) {
  constexpr float kTolerance = 1e-4f;  // float32 arithmetic of whoever wrote them
  // The lowest frequency's divisor is the factor, unless heads are so small that none is that low;
  // then the factors that were released.
  for (const double factor : {std::round(rope.divisors.back() * 1000.0) / 1000.0, 8.0, 32.0}) {
    RopeConfig candidate = rope;
    candidate.scaling = {.kind = RopeScaling::Kind::kLlama3, .factor = factor};
    const std::vector<float> expected = llama3_divisors(candidate, head_dim);
    const auto is_close = [&](float a, float b) { return std::abs(a - b) <= kTolerance * a; };
    if (std::equal(expected.begin(), expected.end(), rope.divisors.begin(), rope.divisors.end(),
                   is_close))
      return candidate.scaling;
  }
  return std::nullopt;
}

}  // namespace pronk
