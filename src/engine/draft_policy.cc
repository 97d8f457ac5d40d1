#include "engine/draft_policy.h"

#include <algorithm>

namespace pronk {
namespace {

constexpr double kCredit = 0.01;   // of the time of plain steps
constexpr double kMostCredit = 4;  // plain steps
// Plain steps that may be lost before guessing pauses: little where each guess costs, so that a
// model of no use costs a short reply as little; where guesses are free, their first may fail.
constexpr double kMostDebt = 0.5, kMostDebtOfFree = 4;
constexpr double kOlder = 0.8;  // what earlier drafts count after the next one
constexpr double kMostCertain = 0.98;
constexpr int kPlainEvery = 64;  // steps: so that what a plain one takes stays known

}  // namespace

void RecentLeast::add(double seconds) {
  last_[next_] = seconds;
  next_ = (next_ + 1) % last_.size();
}

double RecentLeast::least() const { return *std::min_element(last_.begin(), last_.end()); }

double StepTimes::estimate(int num_rows) const {
  const auto above = times_.lower_bound(num_rows);
  if (above == times_.begin()) return above->second.least();
  const auto below = std::prev(above);
  const double least = below->second.least();
  if (above == times_.end()) return least * (1 + kRowShare * (num_rows - below->first));
  const double part = static_cast<double>(num_rows - below->first) / (above->first - below->first);
  return least + part * (above->second.least() - least);
}

void Acceptance::add(int num_drafted, int num_accepted) {
  if (num_drafted == 0) return;
  proven_ = proven_ || num_accepted > 0;
  true_ = kOlder * true_ + num_accepted;
  tried_ = kOlder * tried_ + num_accepted + (num_accepted < num_drafted ? 1 : 0);
}

void Acceptance::add_trial(int num_tried, int num_true) {
  proven_ = proven_ || num_true > 0;
  true_ += num_true;
  tried_ += num_tried;
}

double DraftPolicy::seconds_with(int num_guesses, int num_texts) const {
  const double plain = steps_.estimate(num_texts);
  const double guess = guess_.known() ? guess_.least() : expected_cost_ * plain / num_texts;
  return steps_.estimate(num_texts * (1 + num_guesses)) + num_texts * num_guesses * guess;
}

int DraftPolicy::best(double rate, int num_texts) const {
  return best_length(std::min(rate, kMostCertain), kMostDraftTokens,
                     [&](int k) { return seconds_with(k, num_texts); });
}

int DraftPolicy::length(Acceptance& acceptance, int num_texts) {
  if (always_) {
    const auto flat = [](int k) { return 1 + StepTimes::kRowShare * k; };
    return std::max(1,
                    best_length(std::min(acceptance.rate(), kMostCertain), kMostDraftTokens, flat));
  }
  if (!steps_.known(num_texts) || num_since_plain_ >= kPlainEvery) return 0;
  int most = paused_ ? 0 : best(acceptance.rate(), num_texts);
  if (most == 0 && balance_ >= reading_) {
    acceptance = Acceptance();
    try_again(num_texts);
    most = best(acceptance.rate(), num_texts);
  }
  return acceptance.proven() ? most : std::min(most, 1);
}

// Afresh: the times may have been of a bad moment.
void DraftPolicy::try_again(int num_texts) {
  paused_ = false;
  balance_ -= reading_;
  reading_ = 0;
  steps_.forget_above(num_texts);
  guess_ = RecentLeast();
}

void DraftPolicy::drafted(const DraftCost& cost, double seconds) {
  if (cost.num_guesses > 0) guess_.add(cost.seconds / cost.num_guesses);
  drafting_ += cost.seconds;
  reading_ += seconds - cost.seconds;
}

void DraftPolicy::stepped(int num_texts, int num_rows, int num_tokens, double seconds) {
  steps_.add(num_rows, seconds);
  const double plain = steps_.estimate(num_texts);
  if (num_rows == num_texts) {
    num_since_plain_ = 0;
    balance_ += kCredit * seconds - drafting_;
  } else {
    ++num_since_plain_;
    balance_ += plain * num_tokens / num_texts - seconds - drafting_;
  }
  drafting_ = 0;
  balance_ = std::min(balance_, reading_ + kMostCredit * plain);
  paused_ = paused_ || balance_ < -(expected_cost_ > 0 ? kMostDebt : kMostDebtOfFree) * plain;
}

}  // namespace pronk
