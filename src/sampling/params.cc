#include "sampling/params.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace pronk {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Range {
  const char* name;
  double value, least, most;
};

Error out_of_range(const Range& r) {
  const std::string wanted = r.most == kNoLimit ? fmt::format("{} or more", r.least)
                                                : fmt::format("{} to {}", r.least, r.most);
  return error(Code::kInvalidArgument,
               fmt::format("sampling: {} is {}, must be {}", r.name, r.value, wanted));
}

Status check_bias(const SamplingParams& params, int vocab_size) {
  for (const auto& [token, bias] : params.logit_bias) {
    if (token < 0 || token >= vocab_size)
      return error(Code::kInvalidArgument,
                   fmt::format("sampling: logit_bias names token {}, the model's are 0 to {}",
                               token, vocab_size - 1));
    if (!(bias == -std::numeric_limits<float>::infinity() || std::fabs(bias) <= 1e6f))
      return error(Code::kInvalidArgument,
                   fmt::format("sampling: logit_bias of token {} is {}, must be -1e6 to 1e6, or "
                               "-infinity to ban it",
                               token, bias));
  }
  return Ok{};
}

}  // namespace

Status check_params(const SamplingParams& p, int vocab_size) {
  const Range ranges[] = {
      {"temperature", p.temperature, -1e6, 1e6},
      {"top_k", static_cast<double>(p.top_k), 0, kNoLimit},
      {"top_p", p.top_p, 0, 1},
      {"min_p", p.min_p, 0, 1},
      {"typical_p", p.typical_p, 0, 1},
      {"repeat_penalty", p.repeat_penalty, 0.01, 100},
      {"presence_penalty", p.presence_penalty, -100, 100},
      {"frequency_penalty", p.frequency_penalty, -100, 100},
      {"repeat_last_n", static_cast<double>(p.repeat_last_n), -1, kNoLimit},
      {"dry_multiplier", p.dry_multiplier, 0, 1000},
      {"dry_base", p.dry_base, 1, 1000},
      {"dry_allowed_length", static_cast<double>(p.dry_allowed_length), 0, kNoLimit},
      {"dry_penalty_last_n", static_cast<double>(p.dry_penalty_last_n), -1, kNoLimit},
      {"xtc_probability", p.xtc_probability, 0, 1},
      {"xtc_threshold", p.xtc_threshold, 0, 1},
      {"mirostat_tau", p.mirostat_tau, 0, 1000},
      {"mirostat_eta", p.mirostat_eta, 0, 1000},
      {"num_logprobs", static_cast<double>(p.num_logprobs), -1, static_cast<double>(vocab_size)},
  };
  for (const Range& r : ranges)
    if (!(r.value >= r.least && r.value <= r.most)) return out_of_range(r);  // NaN too
  if (p.mirostat != 0 && p.mirostat != 2)
    return error(Code::kInvalidArgument,
                 fmt::format("sampling: mirostat is {}, must be 0 (off) or 2", p.mirostat));
  for (const std::string& breaker : p.dry_sequence_breakers)
    if (breaker.empty())
      return error(Code::kInvalidArgument,
                   "sampling: dry_sequence_breakers holds an empty text; leave it out");
  return check_bias(p, vocab_size);
}

}  // namespace pronk
