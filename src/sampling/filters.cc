#include "sampling/filters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace pronk {
namespace {

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

// Distances of logits from a center, in ranges of equal width; the last one has no end.
class Ranges {
 public:
  static constexpr std::size_t kNum = 1024;
  explicit Ranges(float center) : center_(center) {}
  float key(float logit) const { return std::fabs(center_ - logit); }
  // Its whole part is the range.
  float place(float logit) const { return std::min(key(logit) * kPerUnit, float{kNum - 1}); }

 private:
  static constexpr float kPerUnit = 64;
  float center_;
};

// As place_of_mass, in the order of distance from `center`: the range in which the mass is reached
// first, so that only what lies in it has to be put in order.
Place nearest_of_mass(const Candidates& c, std::span<const float> weights, float center,
                      double target) {
  constexpr std::size_t kLanes = 16;
  const Ranges ranges(center);
  const std::span<const float> logits = c.logits();
  std::array<std::array<double, Ranges::kNum>, 2> mass{};  // two: neighbours are often alike
  for (std::size_t i = 0; i < logits.size(); ++i)
    mass[i % 2][static_cast<std::size_t>(ranges.place(logits[i]))] += weights[i];

  std::size_t range = 0, last_used = 0;
  double before = 0;
  for (std::size_t i = 0; i < Ranges::kNum; ++i)
    if (mass[0][i] + mass[1][i] > 0) last_used = i;
  for (; range < last_used && before + mass[0][range] + mass[1][range] < target; ++range)
    before += mass[0][range] + mass[1][range];

  std::vector<Weighted> items;
  const auto is_inside = [&, least = static_cast<float>(range)](std::size_t i) {
    const float place = ranges.place(logits[i]);
    return (place >= least) & (place < least + 1);
  };
  for (std::size_t begin = 0; begin < logits.size(); begin += kLanes) {
    const std::size_t end = std::min(begin + kLanes, logits.size());
    int num_inside = kLanes;
    if (end - begin == kLanes) {
      num_inside = 0;
      for (std::size_t lane = 0; lane < kLanes; ++lane) num_inside += is_inside(begin + lane);
    }
    if (num_inside == 0) continue;
    for (std::size_t i = begin; i < end; ++i)
      if (is_inside(i)) items.push_back({{ranges.key(logits[i]), c.id(i)}, weights[i]});
  }
  return place_of_mass(items, target - before);
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
  const Place last = nearest_of_mass(c, weights, center, more_than_p * total);
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
  std::vector<Weighted> items(c.size());
  for (std::size_t i = 0; i < c.size(); ++i) items[i] = {c.place(i), weights[i]};
  const Place last = place_of_mass(items, p * total);
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
