// The distances from a center at which the weights of the candidates, added up from the nearest to
// the farthest, reach a target: a range so narrow that few candidates lie in it.
#pragma once
#include <cmath>
#include <cstddef>
#include <span>

namespace pronk {

// The distances in [begin, end), and what all that is nearer weighs.
struct MassRange {
  float begin = 0, end = 0;
  double before = 0;
};

// Where the weights reach `target`; empty when all together weigh less. A distance of 2^-20 or more
// stands in a range at most 1/64 as wide as itself.
MassRange range_of_mass(std::span<const float> logits, std::span<const float> weights, float center,
                        double target);

// Calls f(i) for those in the range, in order. Most lanes hold none of them.
template <class F>
void for_each_within(std::span<const float> logits, float center, const MassRange& range, F f) {
  constexpr std::size_t kLanes = 32;
  const auto is_inside = [=, begin = range.begin, end = range.end](std::size_t i) {
    const float distance = std::fabs(center - logits[i]);
    return (distance >= begin) & (distance < end);
  };
  const auto visit = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      if (is_inside(i)) f(i);
  };
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    int num_inside = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) num_inside += is_inside(i + lane);
    if (num_inside > 0) visit(i, i + kLanes);
  }
  visit(i, logits.size());
}

}  // namespace pronk
