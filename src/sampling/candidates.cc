#include "sampling/candidates.h"

#include <algorithm>
#include <limits>

#include "kernels/isa.h"

namespace pronk {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kStretch = kernels::kExpStretch;

const kernels::VectorKernels& vector_kernels() { return kernels::table().vector; }

std::int64_t length(std::span<const float> values) {
  return static_cast<std::int64_t>(values.size());
}

// weights = exp(logits - max).
void weigh(std::span<const float> logits, float max, std::span<float> weights) {
  for (std::size_t i = 0; i < logits.size(); ++i) weights[i] = logits[i] - max;
  vector_kernels().exp(weights.data(), length(weights), weights.data());
}

}  // namespace

RowScan scan_row(std::span<const float> logits) {
  RowScan scan{.max = vector_kernels().largest(logits.data(), length(logits))};
  if (scan.max < kInfinity) return scan;  // NaN compares false
  const auto first =
      std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < kInfinity); });
  scan.bad_index = static_cast<int>(first - logits.begin());
  return scan;
}

void Candidates::load(std::span<float> row, float max) {
  logits_ = row;
  max_ = max;
  is_list_ = false;
}

void Candidates::divide_by(double temperature) {
  const float scale = static_cast<float>(1 / std::max(temperature, 1e-30)), max = max_;
  for (float& x : logits_) x = (x - max) * scale;
  max_ = 0;
}

std::span<const float> Candidates::weights() {
  weights_.resize(size());
  weigh(logits_, max_, weights_);
  return weights_;
}

double Candidates::total_weight() {
  sums_.resize((size() + kStretch - 1) / kStretch);
  return vector_kernels().sum_of_exp(logits_.data(), length(logits_), max_, sums_.data());
}

// The stretch is found by its sum, then the candidate within it, one weight after the other.
std::size_t Candidates::at_share(double u) {
  const double target = u * total_weight();
  double before = 0;
  std::size_t stretch = 0;  // should rounding leave the sums short: the last that weighs anything
  double before_stretch = 0;
  for (std::size_t i = 0; i < sums_.size() && before <= target; ++i) {
    if (sums_[i] > 0) stretch = i, before_stretch = before;
    before += sums_[i];
  }
  const std::size_t begin = stretch * kStretch, end = std::min(size(), begin + kStretch);
  weights_.resize(end - begin);
  weigh(logits_.subspan(begin, end - begin), max_, weights_);
  double sum = before_stretch;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] > 0) last = i;
    sum += weights_[i];
    if (sum > target) return begin + i;
  }
  return begin + last;
}

void Candidates::keep_at_least(float bar) {
  const float least = std::max(bar, std::numeric_limits<float>::lowest());
  if (is_list_) {
    keep_if([&](std::size_t i) { return logits_[i] >= least; });
    return;
  }
  const std::span<const float> row = logits_;
  ids_.resize(row.size());
  const auto n = static_cast<std::size_t>(
      vector_kernels().at_least(row.data(), length(row), least, ids_.data()));
  ids_.resize(n);
  list_.resize(n);
  for (std::size_t i = 0; i < n; ++i) list_[i] = row[static_cast<std::size_t>(ids_[i])];
  is_list_ = true;
  shorten_to(n);
}

void Candidates::make_list() {
  if (!is_list_) keep_at_least(-kInfinity);
}

void Candidates::shorten_to(std::size_t n) {
  ids_.resize(n);
  list_.resize(n);
  logits_ = list_;
  find_max();
}

void Candidates::find_max() { max_ = vector_kernels().largest(logits_.data(), length(logits_)); }

Place kth_largest(std::span<const float> values, std::size_t k) {
  // Those that beat the k best so far are gathered; whenever twice k have come together, the better
  // half stays and raises the bar. Most values only ever meet the bar, sixteen at a time.
  constexpr std::size_t kLanes = 16;
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
  double before = 0;
  if (std::is_sorted(items.begin(), items.end(), by_place)) {  // ties, which may be a whole row
    for (const Weighted& item : items)
      if (before += item.weight; before >= target) return item.place;
    return items.back().place;
  }
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
