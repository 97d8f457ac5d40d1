#include "engine/scheduler.h"

#include <algorithm>
#include <array>

#include "pronk/result.h"

namespace pronk {
namespace {

void insert_by_age(std::vector<Sequence*>& list, Sequence* sequence) {
  const auto place =
      std::upper_bound(list.begin(), list.end(), sequence,
                       [](const Sequence* a, const Sequence* b) { return a->id < b->id; });
  list.insert(place, sequence);
}

// Whether what it would share is still being computed: all but the last token.
bool waits_for_leader(const Sequence& s) {
  return s.leader && s.leader->num_computed < std::min(s.num_tokens(), s.leader->num_tokens()) - 1;
}

// A full page's tokens as the pool compares them: a reply's is no prompt's.
std::array<TokenId, kKvPageTokens> page_key(const Sequence& s, int first) {
  std::array<TokenId, kKvPageTokens> key{};
  int position = first;
  for (TokenId& token : key) {
    const TokenId plain = s.tokens[static_cast<std::size_t>(position)];
    token = s.is_of_prompt(position++) ? ~plain : plain;
  }
  return key;
}

}  // namespace

bool Sequence::is_of_prompt(int position) const {
  return std::any_of(prompts.begin(), prompts.end(), [&](const TokenRange& range) {
    return position >= range.begin && position < range.end;
  });
}

int Sequence::end_of_kind() const {
  for (const TokenRange& range : prompts) {
    if (num_computed < range.begin) return range.begin;
    if (num_computed < range.end) return range.end;
  }
  return num_tokens();
}

void Scheduler::add(Sequence& sequence) {
  PRONK_CHECK(!sequence.tokens.empty(), "a sequence has tokens");
  PRONK_CHECK(pages_for(sequence.num_tokens()) < pool_.num_pages(), "a sequence fits alone");
  insert_by_age(waiting_, &sequence);
}

void Scheduler::remove(Sequence& sequence) {
  put_down_pages(sequence);
  std::erase(running_, &sequence);
  std::erase(waiting_, &sequence);
  for (Sequence* other : waiting_)
    if (other->leader == &sequence) other->leader = nullptr;
}

StepPlan Scheduler::plan() {
  StepPlan plan;
  make_room(plan);
  int budget = limits_.max_batch_tokens;
  const auto give = [&](Sequence* s) { add_share(*s, budget, plan); };
  for (Sequence* s : running_)
    if (s->num_pending() == 1) give(s);
  for (Sequence* s : running_)
    if (s->num_pending() > 1) give(s);
  if (plan.num_preempted == 0) admit(plan, budget);
  if (limits_.max_draft_tokens > 0) add_drafts(plan);
  std::stable_partition(plan.shares.begin(), plan.shares.end(),
                        [](const Share& share) { return share.is_of_prompt(); });
  return plan;
}

// As many of its tokens as the budget, which pays for them, has.
void Scheduler::add_share(Sequence& s, int& budget, StepPlan& plan) const {
  const int num_tokens = std::min({budget, s.num_pending(), s.end_of_kind() - s.num_computed});
  if (num_tokens > 0) plan.shares.push_back({&s, num_tokens});
  budget -= num_tokens;
}

// Every running sequence gets pages for all its tokens; the youngest pay.
void Scheduler::make_room(StepPlan& plan) {
  for (std::size_t i = 0; i < running_.size(); ++i) {
    Sequence* s = running_[i];
    while (static_cast<int>(s->pages.size()) < pages_for(s->num_tokens())) {
      if (const auto page = pool_.take()) {
        s->pages.push_back(*page);
        continue;
      }
      const bool was_itself = running_.back() == s;
      preempt_youngest(plan);
      if (was_itself) break;
    }
  }
}

void Scheduler::preempt_youngest(StepPlan& plan) {
  Sequence* youngest = running_.back();
  running_.pop_back();
  put_down_pages(*youngest);
  insert_by_age(waiting_, youngest);
  ++plan.num_preempted;
}

void Scheduler::admit(StepPlan& plan, int budget) {
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (budget <= 0 || num_running() >= limits_.max_sequences) return;
    Sequence* s = *next;
    if (limits_.prefix_cache && waits_for_leader(*s)) {
      ++next;
      continue;
    }
    if (!take_pages(*s)) return;  // those behind it wait too: nobody overtakes
    if (limits_.prefix_cache && s->leader) copy_leaders_page(*s, plan);
    s->leader = nullptr;
    next = waiting_.erase(next);
    insert_by_age(running_, s);
    add_share(*s, budget, plan);
  }
}

// Nobody gives way for a draft: it gets a page only while every running sequence could have one.
void Scheduler::add_drafts(StepPlan& plan) {
  int budget = limits_.max_batch_tokens;
  for (const Share& share : plan.shares) budget -= share.num_tokens;
  budget = std::min(budget, limits_.max_draft_tokens);
  for (Share& share : plan.shares) {
    if (!share.completes()) continue;
    Sequence& s = *share.sequence;
    const int wanted = std::min(budget, static_cast<int>(s.draft.size()));
    while (static_cast<int>(s.pages.size()) < pages_for(s.num_tokens() + wanted) &&
           pool_.num_available() > num_running())
      s.pages.push_back(*pool_.take());
    const int room = static_cast<int>(s.pages.size()) * kKvPageTokens - s.num_tokens();
    share.num_draft = std::min(wanted, room);
    budget -= share.num_draft;
  }
}

// The pages of all its tokens, if one more is left then.
bool Scheduler::take_pages(Sequence& s) {
  if (limits_.prefix_cache) take_over_known_pages(s);
  const int missing = pages_for(s.num_tokens()) - static_cast<int>(s.pages.size());
  if (pool_.num_available() < missing + 1) {
    put_down_pages(s);
    return false;
  }
  for (int i = 0; i < missing; ++i) s.pages.push_back(*pool_.take());
  return true;
}

void Scheduler::take_over_known_pages(Sequence& s) {
  // The last token is always computed: its logits are what is wanted.
  while (s.num_computed + kKvPageTokens < s.num_tokens()) {
    const auto found = pool_.find(s.cache_namespace, s.link, page_key(s, s.num_computed));
    if (!found) break;
    s.pages.push_back(found->page);
    s.link = found->link;
    s.num_computed += kKvPageTokens;
  }
  s.num_published = static_cast<int>(s.pages.size());
  s.num_from_cache = s.num_computed;
}

// The page after those taken over, as far as the leader has it: the same tokens, so the same keys;
// what the leader wrote behind them is written over.
void Scheduler::copy_leaders_page(Sequence& s, StepPlan& plan) {
  const auto i = static_cast<std::size_t>(s.num_computed / kKvPageTokens);
  const int num_known =
      std::min({s.leader->num_computed, s.num_tokens() - 1, s.num_computed + kKvPageTokens});
  if (num_known <= s.num_computed) return;
  plan.copies.push_back({s.leader->pages[i], s.pages[i]});
  s.num_computed = s.num_from_cache = num_known;
}

void Scheduler::put_down_pages(Sequence& s) {
  std::for_each(s.pages.rbegin(), s.pages.rend(), [this](int page) { pool_.put_down(page); });
  s.pages.clear();
  s.num_computed = s.num_from_cache = s.num_published = 0;
  s.link = 0;
}

void Scheduler::computed(const Share& share) {
  Sequence& s = *share.sequence;
  s.num_computed += share.num_tokens;
  if (!limits_.prefix_cache) return;
  while ((s.num_published + 1) * kKvPageTokens <= s.num_computed) {
    const auto i = static_cast<std::size_t>(s.num_published);
    const auto known = pool_.publish(s.pages[i], s.cache_namespace, s.link,
                                     page_key(s, s.num_published * kKvPageTokens));
    s.pages[i] = known.page;
    s.link = known.link;
    ++s.num_published;
  }
}

}  // namespace pronk
