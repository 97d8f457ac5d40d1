#include "sampling/candidates.h"

#include <algorithm>
#include <array>
#include <limits>

#include "sampling/fast_exp.h"

namespace pronk {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kLanes = 16;  // independent accumulators: what lets a reduction vectorize

}  // namespace

RowScan scan_row(std::span<const float> logits) {
  std::array<float, kLanes> max;
  std::array<int, kLanes> num_bad{};
  max.fill(-kInfinity);
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float x = logits[i + lane];
      max[lane] = x > max[lane] ? x : max[lane];
      num_bad[lane] += !(x < kInfinity);  // NaN compares false
    }
  RowScan scan{.max = *std::max_element(max.begin(), max.end())};
  bool bad = std::any_of(num_bad.begin(), num_bad.end(), [](int n) { return n > 0; });
  for (; i < logits.size(); ++i) {
    scan.max = std::max(scan.max, logits[i]);
    bad = bad || !(logits[i] < kInfinity);
  }
  if (bad) {
    const auto first =
        std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < kInfinity); });
    scan.bad_index = static_cast<int>(first - logits.begin());
  }
  return scan;
}

double weigh(std::span<const float> logits, float max, std::span<float> weights) {
  for (std::size_t i = 0; i < logits.size(); ++i) weights[i] = exp_nonpositive(logits[i] - max);
  std::array<double, kLanes> sum{};
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) sum[lane] += weights[i + lane];
  double total = 0;
  for (const double lane : sum) total += lane;
  for (; i < weights.size(); ++i) total += weights[i];
  return total;
}

void Candidates::load(std::span<const float> row) {
  ids.resize(row.size());
  logits.resize(row.size());
  std::size_t n = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    ids[n] = static_cast<TokenId>(i);
    logits[n] = row[i];
    n += row[i] > -kInfinity;
  }
  ids.resize(n);
  logits.resize(n);
}

float Candidates::max_logit() const { return scan_row(logits).max; }

void Candidates::weigh() {
  weights.resize(size());
  total = pronk::weigh(logits, max_logit(), weights);
}

Place kth_largest(std::span<const float> values, std::size_t k) {
  // Those that beat the k best so far are gathered; whenever twice k have come together, the better
  // half stays and raises the bar. Most values only ever meet the bar, sixteen at a time.
  const std::size_t capacity = std::max<std::size_t>(2 * k, 64);
  std::vector<Place> best;
  best.reserve(std::min(capacity, values.size()));
  float bar = -kInfinity;
  bool full = false;  // whether `bar` is the k-th best so far
  const auto settle = [&] {
    std::nth_element(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(k - 1), best.end());
    best.resize(k);
    bar = -best[k - 1].key;
    full = true;
  };
  for (std::size_t begin = 0; begin < values.size(); begin += kLanes) {
    const std::size_t end = std::min(begin + kLanes, values.size());
    if (full && end - begin == kLanes) {
      unsigned num_above = 0;
      for (std::size_t lane = 0; lane < kLanes; ++lane) num_above += values[begin + lane] > bar;
      if (num_above == 0) continue;
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (full && !(values[i] > bar)) continue;  // an equal value later loses to the lower index
      best.push_back({-values[i], static_cast<TokenId>(i)});
      if (best.size() == capacity) settle();
    }
  }
  if (best.size() > k) settle();
  return *std::max_element(best.begin(), best.end());
}

Place place_of_mass(std::span<Weighted> items, double target) {
  const auto by_place = [](const Weighted& a, const Weighted& b) { return a.place < b.place; };
  double before = 0;  // weight of what stands before `items`
  while (items.size() > 1) {
    // The better half to the front: does it weigh enough?
    const std::size_t half = items.size() / 2;
    std::nth_element(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(half), items.end(),
                     by_place);
    double mass = 0;
    for (const Weighted& item : items.first(half)) mass += item.weight;
    if (before + mass >= target) {
      items = items.first(half);
    } else {
      before += mass;
      items = items.subspan(half);
    }
  }
  return items.front().place;
}

}  // namespace pronk
