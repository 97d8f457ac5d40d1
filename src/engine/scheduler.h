// Which sequences get how many tokens computed in the next step, and which pages hold them.
//
// The scheduler knows neither "prefill" nor "decode": a sequence has num_computed of its tokens in
// the KV cache and catches up. Its rules:
//   - A sequence is admitted in order of arrival, when the pages of all its tokens and one more are
//     there. Pages that another prompt left behind (page_pool.h) are taken over as computed. A
//     further reply to a prompt waits until its leader has read it, and then also copies the last
//     page, which is not full: it has one token left to compute.
//   - Where a runner reads prompts apart, no share holds tokens of both kinds, those that read a
//     prompt come first in a step, and only the same tokens of the same kind share a page.
//   - Each step first gives one token to every sequence that lacks one only, then the rest of
//     max_batch_tokens to the others, oldest first.
//   - When a running sequence needs a page and none is there, the youngest gives way: it loses its
//     pages and waits, in its old place, to be computed again. Nobody is admitted in such a step.
//   - What is left of a step computes drafts. Their keys and values lie beyond num_computed until
//     the caller confirms them by growing the sequence, and are written over if it does not.
// The oldest sequence always gets on, and alone it always fits, so every sequence ends. Pure logic:
// equal calls give equal plans.
#pragma once
#include <string>
#include <vector>

#include "engine/page_pool.h"
#include "pronk/types.h"

namespace pronk {

struct Sequence {
  // Given by the caller; tokens grow by what is picked.
  std::uint64_t id = 0;         // order of arrival: unique, rising
  std::vector<TokenId> tokens;  // the prompt, then what was generated
  std::vector<TokenId> draft;   // guesses at what follows them
  // Of the tokens, those that are read as a prompt's (Batch::num_prompt_rows), in order; none where
  // that makes no difference.
  std::vector<TokenRange> prompts;
  std::string cache_namespace;
  const Sequence* leader =
      nullptr;  // the same prompt, already on its way: its pages are waited for

  // The scheduler's.
  int num_computed = 0;    // tokens in the KV cache
  int num_from_cache = 0;  // of those, how many the prefix cache gave at the last admission
  std::vector<int> pages;  // hold the tokens, kKvPageTokens each
  int num_published = 0;   // of its pages
  PageLink link = 0;       // of the last published one

  int num_tokens() const { return static_cast<int>(tokens.size()); }
  int num_pending() const { return num_tokens() - num_computed; }
  bool is_of_prompt(int position) const;
  // Up to where the tokens from num_computed on are of one kind.
  int end_of_kind() const;
};

struct Share {
  Sequence* sequence;
  int num_tokens;     // of it to compute, from num_computed on
  int num_draft = 0;  // of its draft to compute after them, on trial; only when it completes
  bool completes() const { return num_tokens == sequence->num_pending(); }
  bool is_of_prompt() const { return sequence->is_of_prompt(sequence->num_computed); }
};

// Before the step, page `to` becomes what `from` is.
struct PageCopy {
  int from, to;
};

struct StepPlan {
  std::vector<PageCopy> copies;
  std::vector<Share> shares;
  int num_preempted = 0;
};

struct SchedulerLimits {
  int max_sequences = 16;      // running together; at most max_batch_tokens
  int max_batch_tokens = 256;  // tokens of a step
  bool prefix_cache = true;
  int max_draft_tokens = 0;  // of a step, of all sequences together
};

inline int pages_for(int num_tokens) { return (num_tokens + kKvPageTokens - 1) / kKvPageTokens; }

// One thread. Sequences belong to the caller, stay where they are until removed, and never need
// more than num_pages - 1 pages.
class Scheduler {
 public:
  Scheduler(PagePool& pool, const SchedulerLimits& limits) : pool_(pool), limits_(limits) {}

  void add(Sequence& sequence);     // to the waiting ones
  void remove(Sequence& sequence);  // wherever it is; its pages are free for others
  StepPlan plan();
  // The share's tokens are in the cache now; full pages become known to later prompts.
  void computed(const Share& share);

  int num_running() const { return static_cast<int>(running_.size()); }
  int num_waiting() const { return static_cast<int>(waiting_.size()); }

 private:
  void make_room(StepPlan& plan);
  void preempt_youngest(StepPlan& plan);
  void admit(StepPlan& plan, int budget);
  void add_share(Sequence& sequence, int& budget, StepPlan& plan) const;
  void add_drafts(StepPlan& plan);
  bool take_pages(Sequence& sequence);
  void take_over_known_pages(Sequence& sequence);
  void copy_leaders_page(Sequence& sequence, StepPlan& plan);
  void put_down_pages(Sequence& sequence);

  PagePool& pool_;
  SchedulerLimits limits_;
  std::vector<Sequence*> running_, waiting_;  // oldest first
};

}  // namespace pronk
