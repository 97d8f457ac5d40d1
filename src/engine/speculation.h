// An engine's guessing: a drafter, and the policy that says how much it is asked.
#pragma once
#include <memory>
#include <span>

#include "engine/draft_policy.h"
#include "engine/drafter.h"
#include "engine/reply.h"

namespace pronk {

// One thread (the engine's).
class Speculation {
 public:
  // No drafter: every draft stays empty.
  Speculation(std::unique_ptr<Drafter> drafter, bool always);

  // New drafts for replies that have just got their tokens. What it took, in seconds.
  double draft(std::span<ReplySequence* const> replies);
  // What came of a step. Those that read prompts teach nothing about time.
  void stepped(std::span<const Share> shares, int num_tokens, double seconds);
  void forget(const ReplySequence& reply);

 private:
  std::unique_ptr<Drafter> drafter_;
  DraftPolicy policy_;
};

}  // namespace pronk
