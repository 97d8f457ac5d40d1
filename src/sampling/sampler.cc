#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "kernels/isa.h"
#include "pronk/sampling.h"
#include "sampling/candidates.h"
#include "sampling/filters.h"
#include "sampling/logprobs.h"
#include "sampling/params.h"
#include "sampling/penalties.h"

namespace pronk {
namespace {

// Two random numbers belong to a position: the draw's and XTC's.
double draw_number(std::uint64_t seed, std::uint64_t position) {
  return random_unit(seed, 2 * position);
}
double xtc_number(std::uint64_t seed, std::uint64_t position) {
  return random_unit(seed, 2 * position + 1);
}

}  // namespace

struct Sampler::Impl {
  Impl(const SamplingParams& p, int vocab, std::function<std::string_view(TokenId)> piece)
      : params(p), vocab_size(vocab), penalties(p), dry(p, std::move(piece)) {}
  // All but the scratch.
  Impl(const Impl& other)
      : params(other.params),
        vocab_size(other.vocab_size),
        penalties(other.penalties),
        dry(other.dry),
        position(other.position),
        mu(other.mu),
        picked(other.picked),
        picked_mu(other.picked_mu) {}

  SamplingParams params;
  int vocab_size;
  PenaltyWindow penalties;
  DryWindow dry;
  std::uint64_t position = 0;  // tokens accepted so far
  double mu = 2 * params.mirostat_tau;
  TokenId picked = -1;  // what the last pick() gave, and mirostat's state once it is accepted
  double picked_mu = 0;
  Candidates candidates;  // scratch

  Result<TokenId> choose(std::span<float> logits, float max);
  void shorten();
  TokenId draw_mirostat();
};

// Bias, penalties and DRY change single logits; what follows works on the candidates. `max` is the
// largest as the model has it.
Result<TokenId> Sampler::Impl::choose(std::span<float> logits, float max) {
  for (const auto& [token, bias] : params.logit_bias)
    logits[static_cast<std::size_t>(token)] += bias;
  if (penalties.on()) penalties.apply(logits);
  if (dry.on()) dry.apply(logits);
  if (!params.logit_bias.empty() || penalties.on() || dry.on()) max = scan_row(logits).max;

  if (max == -std::numeric_limits<float>::infinity())
    return error(Code::kFailed, "sample: every token is banned; loosen logit_bias");
  if (params.temperature <= 0)
    return static_cast<TokenId>(
        kernels::table().vector.argmax(logits.data(), static_cast<std::int64_t>(logits.size())));

  candidates.load(logits, max);
  if (params.mirostat == 2) return draw_mirostat();
  shorten();
  candidates.divide_by(params.temperature);
  return candidates.id(candidates.at_share(draw_number(params.seed, position)));
}

void Sampler::Impl::shorten() {
  if (params.top_k > 0) keep_top_k(candidates, params.top_k);
  if (params.typical_p < 1) keep_typical(candidates, params.typical_p);
  if (params.top_p < 1) keep_top_p(candidates, params.top_p);
  if (params.min_p > 0) keep_min_p(candidates, params.min_p);
  const bool xtc = params.xtc_probability > 0 && params.xtc_threshold <= 0.5;
  if (xtc && xtc_number(params.seed, position) < params.xtc_probability)
    keep_xtc(candidates, params.xtc_threshold);
}

TokenId Sampler::Impl::draw_mirostat() {
  candidates.divide_by(params.temperature);
  keep_mirostat(candidates, mu);
  const std::size_t i = candidates.at_share(draw_number(params.seed, position));
  const double share = candidates.weights()[i] / candidates.total_weight();
  picked_mu = mu - params.mirostat_eta * (-std::log2(share) - params.mirostat_tau);
  return candidates.id(i);
}

Sampler::Sampler(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;
Sampler::~Sampler() = default;

Result<Sampler> Sampler::create(const SamplingParams& params, int vocab_size,
                                std::function<std::string_view(TokenId)> piece) {
  PRONK_TRY(check_params(params, vocab_size));
  return Sampler(std::make_unique<Impl>(params, vocab_size, std::move(piece)));
}

Sampler Sampler::fork() const { return Sampler(std::make_unique<Impl>(*impl_)); }

void Sampler::accept(TokenId token) {
  PRONK_CHECK(token >= 0 && token < impl_->vocab_size, "a token of this vocabulary");
  ++impl_->position;
  impl_->penalties.accept(token);
  impl_->dry.accept(token);
  if (impl_->params.mirostat == 2 && token == impl_->picked) impl_->mu = impl_->picked_mu;
  impl_->picked = -1;
}

Result<Picked> Sampler::pick(std::span<float> logits) {
  PRONK_CHECK(logits.size() == static_cast<std::size_t>(impl_->vocab_size), "a row of V logits");
  const RowScan scan = scan_row(logits);
  if (scan.bad_index >= 0)
    return error(Code::kFailed,
                 fmt::format("sample: the logit of token {} is {}; the model's weights or its "
                             "computation are broken",
                             scan.bad_index, logits[static_cast<std::size_t>(scan.bad_index)]));
  Picked picked;
  if (impl_->params.num_logprobs < 0) {
    picked.token = PRONK_TRY(impl_->choose(logits, scan.max));
  } else {
    const std::vector<float> before(logits.begin(), logits.end());
    const double log_sum = log_sum_exp(before);
    picked.token = PRONK_TRY(impl_->choose(logits, scan.max));
    picked.logprob = static_cast<float>(before[static_cast<std::size_t>(picked.token)] - log_sum);
    picked.top = top_logprobs(before, log_sum, impl_->params.num_logprobs);
  }
  impl_->picked = picked.token;
  return picked;
}

}  // namespace pronk
