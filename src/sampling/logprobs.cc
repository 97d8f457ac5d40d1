#include "sampling/logprobs.h"

#include <algorithm>

#include "kernels/isa.h"
#include "sampling/candidates.h"

namespace pronk {

double log_sum_exp(std::span<const float> logits) {
  return kernels::table().vector.logsumexp(logits.data(), static_cast<std::int64_t>(logits.size()));
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, double log_sum, int n) {
  const std::size_t count = std::min(logits.size(), static_cast<std::size_t>(n));
  if (count == 0) return {};
  const Place last = kth_largest(logits, count);
  std::vector<Place> best;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const Place place{-logits[i], static_cast<TokenId>(i)};
    if (!(last < place)) best.push_back(place);
  }
  std::sort(best.begin(), best.end());
  std::vector<TokenLogprob> top;
  top.reserve(best.size());
  for (const Place& place : best)
    top.push_back({place.id, static_cast<float>(-place.key - log_sum)});
  return top;
}

}  // namespace pronk
