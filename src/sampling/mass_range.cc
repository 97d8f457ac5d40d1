#include "sampling/mass_range.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace pronk {
namespace {

// Distances from a center in ranges 1/128 to 1/64 as wide as the distance, so that one holds a
// small part of a row however flat it is: the upper bits of a float count them. What weighs
// anything is nearer than 2^7; nearer than 2^-20, a logit's rounding is most of the distance.
class Ranges {
 public:
  static constexpr int kNum = 27 * 64;
  explicit Ranges(float center) : center_(center) {}
  int of(float logit) const {
    const auto bits = std::bit_cast<std::int32_t>(std::fabs(center_ - logit));
    return std::clamp((bits >> kShift) - kBefore, 0, kNum - 1);
  }
  static float begin(int range) {
    return range == 0 ? 0 : std::bit_cast<float>((range + kBefore) << kShift);
  }
  static float end(int range) {
    return range == kNum - 1 ? std::numeric_limits<float>::infinity() : begin(range + 1);
  }

 private:
  static constexpr int kShift = 23 - 6;
  static constexpr int kBefore = std::bit_cast<std::int32_t>(0x1p-20f) >> kShift;
  float center_;
};

// Four sums a range take turns: neighbours are often alike, and would wait for each other's.
constexpr std::size_t kTurns = 4;
using Masses = std::array<std::array<double, kTurns>, Ranges::kNum>;

// What the candidates of each range weigh.
void weigh_ranges(std::span<const float> logits, std::span<const float> weights, Ranges ranges,
                  Masses& masses) {
  std::array<int, 256> range;
  for (std::size_t begin = 0; begin < logits.size(); begin += range.size()) {
    const std::size_t count = std::min(range.size(), logits.size() - begin);
    for (std::size_t i = 0; i < count; ++i) range[i] = ranges.of(logits[begin + i]);
    const auto add = [&](std::size_t i, std::size_t turn) {
      masses[static_cast<std::size_t>(range[i])][turn] += weights[begin + i];
    };
    std::size_t i = 0;
    for (; i + kTurns <= count; i += kTurns)
      for (std::size_t turn = 0; turn < kTurns; ++turn) add(i + turn, turn);
    for (; i < count; ++i) add(i, 0);
  }
}

}  // namespace

MassRange range_of_mass(std::span<const float> logits, std::span<const float> weights, float center,
                        double target) {
  const Ranges ranges(center);
  Masses masses{};
  weigh_ranges(logits, weights, ranges, masses);
  double before = 0;
  for (int range = 0; range < Ranges::kNum; ++range) {
    const auto& [a, b, c, d] = masses[static_cast<std::size_t>(range)];
    const double mass = (a + b) + (c + d);
    if (mass > 0 && before + mass >= target)
      return {Ranges::begin(range), Ranges::end(range), before};
    before += mass;
  }
  return {};
}

}  // namespace pronk
