#include "sampling/penalties.h"

#include <algorithm>
#include <cmath>

namespace pronk {

PenaltyWindow::PenaltyWindow(const SamplingParams& params)
    : on_(params.repeat_last_n != 0 &&
          (params.repeat_penalty != 1 || params.frequency_penalty != 0 ||
           params.presence_penalty != 0)),
      window_(params.repeat_last_n),
      repeat_(static_cast<float>(params.repeat_penalty)),
      frequency_(static_cast<float>(params.frequency_penalty)),
      presence_(static_cast<float>(params.presence_penalty)) {}

void PenaltyWindow::accept(TokenId token) {
  if (!on_) return;
  ++counts_[token];
  if (window_ < 0) return;
  if (last_.size() < static_cast<std::size_t>(window_)) {
    last_.push_back(token);
    return;
  }
  const auto leaving = counts_.find(last_[oldest_]);
  if (--leaving->second == 0) counts_.erase(leaving);
  last_[oldest_] = token;
  oldest_ = (oldest_ + 1) % last_.size();
}

void PenaltyWindow::apply(std::span<float> logits) const {
  for (const auto& [token, count] : counts_) {
    float& x = logits[static_cast<std::size_t>(token)];
    x = x > 0 ? x / repeat_ : x * repeat_;
    x -= static_cast<float>(count) * frequency_ + presence_;
  }
}

DryWindow::DryWindow(const SamplingParams& params, Piece piece)
    : on_(params.dry_multiplier != 0 && params.dry_penalty_last_n != 0),
      multiplier_(params.dry_multiplier),
      log_base_(std::log(params.dry_base)),
      allowed_length_(params.dry_allowed_length),
      window_(params.dry_penalty_last_n),
      breakers_(params.dry_sequence_breakers),
      piece_(std::move(piece)) {
  for (const std::string& breaker : breakers_)
    longest_breaker_ = std::max(longest_breaker_, breaker.size());
}

bool DryWindow::breaks(std::string_view text) const {
  return std::any_of(breakers_.begin(), breakers_.end(), [&](const std::string& breaker) {
    return text.find(breaker) != std::string_view::npos;
  });
}

// A breaker may lie across tokens. tail_ is shorter than each breaker that could still end in it
// once more, so one found in tail_ + piece ends in this piece.
void DryWindow::note_breaker(TokenId token) {
  if (!piece_ || breakers_.empty()) return;
  tail_ += piece_(token);
  if (breaks(tail_)) {
    after_breaker_ = tokens_.size();
    tail_.clear();
  } else if (tail_.size() >= longest_breaker_) {
    tail_.erase(0, tail_.size() - (longest_breaker_ - 1));
  }
}

void DryWindow::accept(TokenId token) {
  if (!on_) return;
  tokens_.push_back(token);
  note_breaker(token);
}

void DryWindow::apply(std::span<float> logits) {
  const std::size_t num =
      window_ < 0 ? tokens_.size() : std::min(tokens_.size(), static_cast<std::size_t>(window_));
  const std::span<const TokenId> all(tokens_);
  const std::span<const TokenId> last = all.last(num);
  const int longest = static_cast<int>(std::min(num, tokens_.size() - after_breaker_));
  if (static_cast<int>(num) <= allowed_length_ || longest < allowed_length_) return;

  // common_[k] = how many tokens the text has in common, read backwards, with itself k tokens
  // earlier: the Z function of the reversed text. [left, right) is the match that reaches farthest.
  const auto back = [&](std::size_t i) { return last[num - 1 - i]; };
  common_.assign(num, 0);
  std::unordered_map<TokenId, int> longest_repeat;  // by the token that would continue it
  for (std::size_t k = 1, left = 0, right = 0; k < num; ++k) {
    std::size_t n = 0;
    if (k < right)
      n = std::min<std::size_t>(right - k, static_cast<std::size_t>(common_[k - left]));
    while (k + n < num && back(n) == back(k + n)) ++n;
    if (k + n > right) left = k, right = k + n;
    common_[k] = static_cast<int>(n);
    const int repeat = std::min(common_[k], longest);
    if (repeat < allowed_length_) continue;
    int& most = longest_repeat[back(k - 1)];
    most = std::max(most, repeat);
  }
  constexpr double kLargestLog = 80;  // keeps multiplier * exp() within float
  for (const auto& [token, repeat] : longest_repeat) {
    if (piece_ && breaks(piece_(token))) continue;
    const double exponent = std::min((repeat - allowed_length_) * log_base_, kLargestLog);
    logits[static_cast<std::size_t>(token)] -= static_cast<float>(multiplier_ * std::exp(exponent));
  }
}

}  // namespace pronk
