#include "sampling/filters.h"

#include <cmath>
#include <limits>

namespace pronk {

void keep_top_k(Candidates& c, int k) {
  if (static_cast<std::size_t>(k) >= c.size()) return;
  const Place last = kth_largest(c.logits, static_cast<std::size_t>(k));
  // last.id is an index here, and indices stand in the order of ids.
  const float bar = -last.key;
  const auto last_index = static_cast<std::size_t>(last.id);
  c.keep_if(
      [&](std::size_t i) { return c.logits[i] > bar || (c.logits[i] == bar && i <= last_index); });
}

void keep_typical(Candidates& c, double p) {
  c.weigh();
  // ln p_i = logit_i - max - ln total;  H = -sum p_i ln p_i
  const double max = c.max_logit();
  const double log_total = std::log(c.total);
  double entropy = log_total;
  for (std::size_t i = 0; i < c.size(); ++i)
    entropy -= c.weights[i] / c.total * (c.logits[i] - max);
  const double offset = max + log_total - entropy;  // |-ln p_i - H| = |offset - logit_i|

  std::vector<Weighted> items(c.size());
  const auto key = [&](float logit) { return static_cast<float>(std::fabs(offset - logit)); };
  for (std::size_t i = 0; i < c.size(); ++i)
    items[i] = {{key(c.logits[i]), c.ids[i]}, c.weights[i]};
  const double more_than_p = std::nextafter(p, 2.0);
  const Place last = place_of_mass(items, more_than_p * c.total);
  c.keep_if([&](std::size_t i) { return !(last < Place{key(c.logits[i]), c.ids[i]}); });
}

void keep_top_p(Candidates& c, double p) {
  c.weigh();
  // All that weigh less than (1 - p) total / n weigh less than (1 - p) total together, so the
  // nucleus lies within the others: mostly a few hundred, which alone have to be put in order.
  const double cut = (1 - p) * c.total / static_cast<double>(c.size());
  std::vector<Weighted> items;
  for (std::size_t i = 0; i < c.size(); ++i)
    if (c.weights[i] >= cut) items.push_back({{-c.logits[i], c.ids[i]}, c.weights[i]});
  const Place last = place_of_mass(items, p * c.total);
  c.keep_if([&](std::size_t i) { return !(last < Place{-c.logits[i], c.ids[i]}); });
}

void keep_min_p(Candidates& c, double p) {
  const float bar = c.max_logit() + static_cast<float>(std::log(p));  // p_i >= p * p_max
  c.keep_if([&](std::size_t i) { return c.logits[i] >= bar; });
}

void keep_xtc(Candidates& c, double threshold) {
  c.weigh();
  const double bar = threshold * c.total;
  int num_above = 0;
  Place least{-std::numeric_limits<float>::infinity(), 0};
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (c.weights[i] < bar) continue;
    ++num_above;
    const Place place{-c.logits[i], c.ids[i]};
    if (num_above == 1 || least < place) least = place;
  }
  if (num_above < 2) return;
  c.keep_if([&](std::size_t i) { return !(Place{-c.logits[i], c.ids[i]} < least); });
}

void keep_mirostat(Candidates& c, double mu) {
  c.weigh();
  // -log2 p_i <= mu  <=>  logit_i >= max + ln total - mu ln 2; the likeliest always stays.
  const float max = c.max_logit();
  const double bar = max + std::log(c.total) - mu * std::log(2.0);
  if (bar > max) {
    keep_top_k(c, 1);
    return;
  }
  c.keep_if([&](std::size_t i) { return c.logits[i] >= bar; });
}

}  // namespace pronk
