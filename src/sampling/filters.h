// The samplers that shorten the list of candidates. Each leaves at least one, and keeps the order.
#pragma once
#include "sampling/candidates.h"

namespace pronk {

// The k largest logits; the lower id on a tie.
void keep_top_k(Candidates& c, int k);

// Locally typical (Meister et al. 2022): the candidates whose surprise -ln p is nearest to the
// entropy, until together they weigh more than p.
void keep_typical(Candidates& c, double p);

// Nucleus (Holtzman et al. 2020): the likeliest candidates that together weigh at least p.
void keep_top_p(Candidates& c, double p);

// Those at least p times as likely as the likeliest.
void keep_min_p(Candidates& c, double p);

// Exclude top choices: of the candidates with probability >= threshold, only the least likely
// stays.
void keep_xtc(Candidates& c, double threshold);

// Mirostat 2 (Basu et al. 2021): those whose surprise -log2 p is at most mu; at least the
// likeliest.
void keep_mirostat(Candidates& c, double mu);

}  // namespace pronk
