#include "sampling/filters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "sampling/mass_range.h"

namespace pronk {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A logit so low that nothing below it weighs `weight` or more, rounding included.
float bar_of(const Candidates& c, double weight) {
  constexpr double kRounding = 1e-3;
  return static_cast<float>(c.max_logit() + std::log(weight) - kRounding);
}

// sum weight_i (logit_i - max), floats within a stretch of sixteen lanes and doubles across them.
double sum_below_max(const Candidates& c, std::span<const float> weights) {
  constexpr std::size_t kLanes = 16, kStretch = 1024;
  constexpr float kLeast = -100;  // weighs nothing; -infinity times nothing would be NaN
  const std::span<const float> logits = c.logits();
  double sum = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kStretch) {
    const std::size_t end = std::min(begin + kStretch, logits.size());
    std::array<float, kLanes> lanes{};
    const auto add = [&](std::size_t i, std::size_t lane) {
      lanes[lane] += weights[i] * std::max(kLeast, logits[i] - c.max_logit());
    };
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
    for (; i < end; ++i) add(i, 0);
    for (const float lane : lanes) sum += lane;
  }
  return sum;
}

// The place, in the order of place_of(i), at which the mass reaches the target. That order is one
// of distance from `center`, save that it may tell apart what is equally far.
template <class PlaceOf>
Place place_of_mass(Candidates& c, std::span<const float> weights, float center, double target,
                    PlaceOf place_of) {
  const MassRange range = range_of_mass(c.logits(), weights, center, target);
  std::vector<Weighted>& items = c.scratch();
  items.clear();
  for_each_within(c.logits(), center, range, [&](std::size_t i) {
    items.push_back({place_of(i), weights[i]});
  });
  if (items.empty()) return {kInfinity, std::numeric_limits<TokenId>::max()};  // all of them
  return place_of_mass(items, target - range.before);
}

}  // namespace

void keep_top_k(Candidates& c, int k) {
  if (static_cast<std::size_t>(k) >= c.size()) return;
  const Place last = kth_largest(c.logits(), static_cast<std::size_t>(k));
  const Place last_kept{last.key, c.id(static_cast<std::size_t>(last.id))};  // it was an index
  c.keep_at_least(-last.key);
  c.keep_if([&](std::size_t i) { return !(last_kept < c.place(i)); });
}

void keep_typical(Candidates& c, double p) {
  const std::span<const float> weights = c.weights();
  const double total = c.total_weight();
  if (!std::isfinite(total)) return;  // an infinite logit: nothing is typical
  // ln p_i = logit_i - max - ln total;  H = -sum p_i ln p_i;  |-ln p_i - H| = |center - logit_i|
  const auto center = static_cast<float>(c.max_logit() + sum_below_max(c, weights) / total);
  const double more_than_p = std::nextafter(p, 2.0);
  const Place last = place_of_mass(c, weights, center, more_than_p * total, [&](std::size_t i) {
    return Place{std::fabs(center - c.logits()[i]), c.id(i)};
  });
  c.keep_most_if([center, last](float logit, TokenId id) {
    const float key = std::fabs(center - logit);
    return (key < last.key) | ((key == last.key) & (id <= last.id));
  });
}

void keep_top_p(Candidates& c, double p) {
  // All that weigh less than (1 - p) total / n weigh less than (1 - p) total together, so the
  // nucleus lies within the others: mostly a few hundred, which alone have to be put in order.
  const double total = c.total_weight();
  c.keep_at_least(bar_of(c, (1 - p) * total / static_cast<double>(c.size())));
  const std::span<const float> weights = c.weights();
  const Place last = place_of_mass(c, weights, c.max_logit(), p * total,
                                   [&](std::size_t i) { return c.place(i); });
  c.keep_if([&](std::size_t i) { return !(last < c.place(i)); });
}

void keep_min_p(Candidates& c, double p) {
  c.keep_at_least(c.max_logit() + static_cast<float>(std::log(p)));  // p_i >= p * p_max
}

void keep_xtc(Candidates& c, double threshold) {
  c.make_list();
  const std::span<const float> weights = c.weights();
  const double bar = threshold * c.total_weight();
  int num_above = 0;
  Place least{-std::numeric_limits<float>::infinity(), 0};
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (weights[i] < bar) continue;
    ++num_above;
    if (num_above == 1 || least < c.place(i)) least = c.place(i);
  }
  if (num_above < 2) return;
  c.keep_if([&](std::size_t i) { return !(c.place(i) < least); });
}

void keep_mirostat(Candidates& c, double mu) {
  // -log2 p_i <= mu  <=>  logit_i >= max + ln total - mu ln 2; the likeliest always stays.
  const double bar = c.max_logit() + std::log(c.total_weight()) - mu * std::log(2.0);
  if (bar > c.max_logit())
    keep_top_k(c, 1);
  else
    c.keep_at_least(static_cast<float>(bar));
}

}  // namespace pronk
