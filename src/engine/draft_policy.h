// How many tokens to guess: by what steps and guesses take on this machine, and by how many guesses
// come true. Off where it does not pay, with a try again now and then. Pure arithmetic on the times
// it is told: they change how much is guessed, never what is answered.
#pragma once
#include <array>
#include <limits>
#include <map>

#include "engine/drafter.h"

namespace pronk {

// The least of the last few times: what else runs on a machine only ever adds to them.
class RecentLeast {
 public:
  void add(double seconds);
  bool known() const { return least() < std::numeric_limits<double>::infinity(); }
  double least() const;

 private:
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  std::array<double, 4> last_ = {kNone, kNone, kNone, kNone};
  std::size_t next_ = 0;
};

// What a step of so many rows takes.
class StepTimes {
 public:
  void add(int num_rows, double seconds) { times_[num_rows].add(seconds); }
  bool known(int num_rows) const { return times_.contains(num_rows); }
  // Between rows that were measured: on the line between them. Beyond the last: as the first guess
  // at any machine, kRowShare of a step for each row more. Something must be known.
  double estimate(int num_rows) const;
  void forget_above(int num_rows) { times_.erase(times_.upper_bound(num_rows), times_.end()); }

  static constexpr double kRowShare = 0.06;

 private:
  std::map<int, RecentLeast> times_;
};

// How likely a guess at one text comes true, once those before it did; older drafts count less.
class Acceptance {
 public:
  void add(int num_drafted, int num_accepted);
  void add_trial(int num_tried, int num_true);  // each token by itself
  double rate() const { return true_ / tried_; }
  bool proven() const { return proven_; }  // one came true: until then one is tried at a time

 private:
  bool proven_ = false;
  double true_ = 1.5, tried_ = 2;  // before anything is known: three of four
};

// The guesses, at most `most`, that give the most tokens for their time, when the i-th of them
// comes true with rate^i; 0 when none gains kLeastGain. seconds_with(k): a step with k guesses.
template <class Seconds>
int best_length(double rate, int most, Seconds seconds_with) {
  constexpr double kLeastGain = 1.03;
  int best = 0;
  double best_speed = kLeastGain / seconds_with(0), tokens = 1, likely = 1;
  for (int k = 1; k <= most; ++k) {
    likely *= rate;
    tokens += likely;
    if (const double speed = tokens / seconds_with(k); speed > best_speed) {
      best = k;
      best_speed = speed;
    }
  }
  return best;
}

// Of one engine. It keeps an account, in seconds: what guessing gained and lost against plain
// steps, and a hundredth of the time of plain steps. Where guessing was given up, it is tried again
// once the account is not overdrawn: so trying costs about that hundredth, and what it may be
// overdrawn.
class DraftPolicy {
 public:
  // always: guess even where it does not pay.
  DraftPolicy(double expected_cost, bool always) : expected_cost_(expected_cost), always_(always) {}

  // Guesses to ask for, for one of `num_texts` that are answered in the next step.
  int length(Acceptance& acceptance, int num_texts);
  // The next step's drafts took so long in all.
  void drafted(const DraftCost& cost, double seconds);
  // A step that read no prompts: num_rows with the guesses, num_tokens came of it.
  void stepped(int num_texts, int num_rows, int num_tokens, double seconds);

 private:
  int best(double rate, int num_texts) const;
  double seconds_with(int num_guesses, int num_texts) const;
  void try_again(int num_texts);

  double expected_cost_;
  bool always_;
  StepTimes steps_;
  RecentLeast guess_;        // per guess
  double balance_ = 0;       // the account
  double reading_ = 0;       // the drafter's reading of texts, to be earned before the next try
  double drafting_ = 0;      // since the last step
  bool paused_ = false;      // overdrawn too far
  int num_since_plain_ = 0;  // steps
};

}  // namespace pronk
