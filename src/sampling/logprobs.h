// Log probabilities of the model's own distribution, before any sampler.
#pragma once
#include <span>
#include <vector>

#include "pronk/sampling.h"

namespace pronk {

// ln sum exp(x).
double log_sum_exp(std::span<const float> logits);

// The n likeliest, likeliest first, the lower id first on a tie.
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, double log_sum, int n);

}  // namespace pronk
