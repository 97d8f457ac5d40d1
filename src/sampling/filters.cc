#include "sampling/filters.h"

#include <cmath>
#include <limits>

namespace pronk {
namespace {

// A logit so low that nothing below it weighs `weight` or more, rounding included.
float bar_of(const Candidates& c, double weight) {
  constexpr double kRounding = 1e-3;
  return static_cast<float>(c.max_logit() + std::log(weight) - kRounding);
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
  c.make_list();
  const std::span<const float> logits = c.logits(), weights = c.weights();
  const double total = c.total_weight();
  // ln p_i = logit_i - max - ln total;  H = -sum p_i ln p_i
  const double max = c.max_logit();
  const double log_total = std::log(total);
  double entropy = log_total;
  for (std::size_t i = 0; i < c.size(); ++i) entropy -= weights[i] / total * (logits[i] - max);
  const double offset = max + log_total - entropy;  // |-ln p_i - H| = |offset - logit_i|

  std::vector<Weighted> items(c.size());
  const auto key = [&](float logit) { return static_cast<float>(std::fabs(offset - logit)); };
  for (std::size_t i = 0; i < c.size(); ++i) items[i] = {{key(logits[i]), c.id(i)}, weights[i]};
  const double more_than_p = std::nextafter(p, 2.0);
  const Place last = place_of_mass(items, more_than_p * total);
  c.keep_if([&](std::size_t i) { return !(last < Place{key(logits[i]), c.id(i)}); });
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
