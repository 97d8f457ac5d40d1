#include "engine/speculation.h"

#include <algorithm>
#include <chrono>

namespace pronk {

using Clock = std::chrono::steady_clock;

Speculation::Speculation(std::unique_ptr<Drafter> drafter, bool always)
    : drafter_(std::move(drafter)), policy_(drafter_ ? drafter_->expected_cost() : 0, always) {}

double Speculation::draft(std::span<ReplySequence* const> replies) {
  if (!drafter_) return 0;
  std::vector<DraftRequest> requests;
  std::vector<ReplySequence*> asked;
  for (ReplySequence* reply : replies) {
    reply->draft.clear();
    const int length = policy_.length(reply->acceptance, static_cast<int>(replies.size()));
    const int most = std::min(length, reply->most_draft_tokens());
    if (most <= 0) continue;
    asked.push_back(reply);
    requests.push_back({.id = reply->id,
                        .tokens = reply->tokens,
                        .prompts = reply->prompts,
                        .cache_namespace = reply->cache_namespace,
                        .sampler = &reply->sampler(),
                        .most = most,
                        .draft = &reply->draft});
  }
  if (requests.empty()) return 0;
  const auto before = Clock::now();
  const DraftCost cost = drafter_->propose(requests);
  const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
  policy_.drafted(cost, seconds);
  for (std::size_t i = 0; i < asked.size(); ++i)
    asked[i]->acceptance.add_trial(requests[i].num_tried, requests[i].num_true);
  return seconds;
}

void Speculation::stepped(std::span<const Share> shares, int num_tokens, double seconds) {
  int num_rows = 0;
  for (const Share& share : shares) {
    if (share.num_tokens > 1) return;
    num_rows += 1 + share.num_draft;
  }
  policy_.stepped(static_cast<int>(shares.size()), num_rows, num_tokens, seconds);
}

void Speculation::forget(const ReplySequence& reply) {
  if (drafter_) drafter_->forget(reply.id);
}

}  // namespace pronk
