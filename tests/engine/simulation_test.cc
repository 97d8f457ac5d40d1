// Scheduler and page pool under seeded random loads, with a fake model that notices any key that is
// not the right one. PRONK_SIMULATIONS=100000 for the nightly run: two to three minutes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>

#include "base/rng.h"
#include "engine/gather.h"
#include "engine/scheduler.h"

namespace pronk {
namespace {

// Stands for the key of a token: depends on all tokens up to it, on which of them are of prompts,
// and on the namespace.
using Key = std::uint64_t;

struct Load {
  int num_pages, max_sequences, max_batch_tokens, num_requests, longest, max_draft_tokens;
  bool prefix_cache, prompts_apart;
};

Load random_load(std::mt19937_64& rng) {
  const auto upto = [&](int least, int most) {
    return least + static_cast<int>(rng() % static_cast<unsigned>(most - least + 1));
  };
  Load load;
  load.num_pages = upto(3, 24);
  load.max_batch_tokens = upto(1, 3) == 1 ? upto(1, 8) : upto(8, 200);
  load.max_sequences = std::min(upto(1, 8), load.max_batch_tokens);
  load.num_requests = upto(1, 14);
  load.longest = (load.num_pages - 1) * kKvPageTokens;
  load.prefix_cache = upto(0, 3) != 0;
  load.prompts_apart = upto(0, 1) == 1;
  load.max_draft_tokens = upto(0, 2) == 0 ? 0 : upto(1, 20);
  return load;
}

struct Request {
  Sequence sequence;
  int arrives_at = 0, cancelled_at = -1;
  std::size_t num_prompt = 0, wanted = 0;  // tokens, prompt included
  std::size_t fails_at = 0;                // so many tokens: the next one's logits are NaN; 0: none
  bool added = false, done = false;
};

// What happened in all runs: a case that never comes up is none that was tried.
struct Coverage {
  int cancelled_waiting = 0, cancelled_reading = 0, cancelled_writing = 0, cancelled_with_draft = 0;
  int preempted = 0, failed = 0, failed_with_draft = 0, filled_the_memory = 0, copied = 0;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Coverage& coverage)
      : rng_(seed),
        coverage_(coverage),
        load_(random_load(rng_)),
        pool_(load_.num_pages),
        scheduler_(pool_, {load_.max_sequences, load_.max_batch_tokens, load_.prefix_cache,
                           load_.max_draft_tokens}),
        cache_(static_cast<std::size_t>(load_.num_pages * kKvPageTokens)) {
    for (int i = 0; i < load_.num_requests; ++i) make_request(i);
  }

  void run() {
    // What all requests together need, were they computed one by one and each preempted often.
    const int patience = 200 + 40 * load_.num_requests * (load_.longest + 10);
    int step = 0;
    while (std::any_of(requests_.begin(), requests_.end(), [](auto& r) { return !r->done; })) {
      ASSERT_LT(step, patience) << "some sequence starves";
      ASSERT_NO_FATAL_FAILURE(one_step(step++));
    }
    EXPECT_EQ(pool_.num_available(), load_.num_pages) << "pages leaked";
    EXPECT_EQ(scheduler_.num_running() + scheduler_.num_waiting(), 0);
  }

 private:
  void make_request(int i) {
    auto r = std::make_unique<Request>();
    r->sequence.id = static_cast<std::uint64_t>(i) + 1;
    r->sequence.cache_namespace = rng_() % 3 == 0 ? "other" : "";
    const std::size_t longest = static_cast<std::size_t>(load_.longest);
    r->num_prompt = 1 + rng_() % (rng_() % 4 == 0 ? longest : std::min<std::size_t>(longest, 90));
    r->wanted = std::min(longest, r->num_prompt + 1 + rng_() % 60);
    if (rng_() % 12 == 0) r->wanted = longest;  // never stops: the context ends it
    if (rng_() % 6 == 0) r->fails_at = r->num_prompt + rng_() % 40;
    // Few different texts, cut at random places, so that prompts often begin alike.
    const std::uint64_t text = rng_() % 3;
    for (std::size_t p = 0; p < r->num_prompt; ++p)
      r->sequence.tokens.push_back(static_cast<TokenId>(random_bits(text, p) % 50));
    if (rng_() % 4 == 0) r->sequence.tokens[rng_() % r->num_prompt] = 77;
    if (load_.prompts_apart) tell_apart(*r);
    r->arrives_at = static_cast<int>(rng_() % 40);
    if (rng_() % 5 == 0) r->cancelled_at = r->arrives_at + static_cast<int>(rng_() % 60);
    if (!requests_.empty() && rng_() % 4 == 0) follow(*r, *requests_.back());
    requests_.push_back(std::move(r));
  }

  // Sometimes an earlier reply is part of the prompt.
  void tell_apart(Request& r) {
    const int end = static_cast<int>(r.num_prompt);
    r.sequence.prompts = {{0, end}};
    const int begin = static_cast<int>(rng_() % 80),
              reply_end = begin + static_cast<int>(rng_() % 80);
    if (rng_() % 2 == 0 && reply_end < end) r.sequence.prompts = {{0, begin}, {reply_end, end}};
  }

  static void follow(Request& r, Request& leader) {
    if (leader.sequence.leader) return;
    r.sequence.tokens = leader.sequence.tokens;
    r.sequence.prompts = leader.sequence.prompts;
    r.sequence.cache_namespace = leader.sequence.cache_namespace;
    r.sequence.leader = &leader.sequence;
    r.num_prompt = leader.num_prompt;
    r.wanted = leader.wanted;
    r.arrives_at = leader.arrives_at;
  }

  // Of the token at `position` of s, or of its draft.
  static Key next_key(Key before, const Sequence& s, int position, TokenId token) {
    return random_bits(before,
                       static_cast<std::uint64_t>(s.is_of_prompt(position) ? ~token : token));
  }
  static Key first_key(const Sequence& s) { return s.cache_namespace.empty() ? 1 : 2; }
  Key& slot(const BatchSequence& s, int position) {
    const int page = s.pages[static_cast<std::size_t>(position / kKvPageTokens)];
    return cache_[static_cast<std::size_t>(page * kKvPageTokens + position % kKvPageTokens)];
  }

  void copy_page(const PageCopy& copy) {
    const auto page = [&](int i) { return cache_.begin() + i * kKvPageTokens; };
    ASSERT_EQ(pool_.references(copy.to), 1) << "a copy has one owner";
    std::copy(page(copy.from), page(copy.from + 1), page(copy.to));
    ++coverage_.copied;
  }

  void one_step(int step) {
    arrivals_and_cancellations(step);
    const StepPlan plan = scheduler_.plan();
    ASSERT_NO_FATAL_FAILURE(check_plan(plan));
    coverage_.preempted += plan.num_preempted;
    for (const PageCopy& copy : plan.copies) copy_page(copy);
    batch_.gather(plan.shares);
    ASSERT_NO_FATAL_FAILURE(compute(plan));
    for (const Share& share : plan.shares) {
      const bool completes = share.completes();
      scheduler_.computed(share);
      if (completes) settle(request_of(*share.sequence), share.num_draft);
    }
    ASSERT_EQ(pool_.inconsistency(), "");
    ASSERT_NO_FATAL_FAILURE(check_references());
  }

  void arrivals_and_cancellations(int step) {
    for (auto& r : requests_) {
      if (!r->added && r->arrives_at <= step) {
        // A leader that is gone by now leads nobody.
        if (r->sequence.leader && request_of(*r->sequence.leader).done)
          r->sequence.leader = nullptr;
        scheduler_.add(r->sequence);
        r->added = true;
      }
      if (r->added && !r->done && r->cancelled_at >= 0 && step >= r->cancelled_at) cancel(*r);
    }
  }

  void cancel(Request& r) {
    const Sequence& s = r.sequence;
    if (s.pages.empty())
      ++coverage_.cancelled_waiting;
    else if (s.num_computed < static_cast<int>(r.num_prompt))
      ++coverage_.cancelled_reading;
    else
      ++(s.draft.empty() ? coverage_.cancelled_writing : coverage_.cancelled_with_draft);
    finish(r);
  }

  void check_plan(const StepPlan& plan) {
    int num_tokens = 0, num_draft = 0;
    std::map<const Sequence*, int> times;
    for (const Share& share : plan.shares) {
      ASSERT_GT(share.num_tokens, 0);
      ASSERT_LE(share.num_tokens, share.sequence->num_pending());
      ASSERT_EQ(++times[share.sequence], 1);
      ASSERT_TRUE(share.num_draft == 0 || share.completes());
      num_tokens += share.num_tokens + share.num_draft;
      num_draft += share.num_draft;
    }
    ASSERT_LE(num_tokens, load_.max_batch_tokens);
    ASSERT_LE(num_draft, load_.max_draft_tokens);
    ASSERT_LE(scheduler_.num_running(), load_.max_sequences);
    // Where a share ended with the tokens of one kind, another sequence may have been admitted that
    // has to wait for the rest.
    if (!load_.prompts_apart) {
      ASSERT_EQ(static_cast<int>(plan.shares.size()), scheduler_.num_running())
          << "every running sequence gets on in every step";
    }
    if (scheduler_.num_waiting() > 0 && plan.num_preempted == 0) {
      ASSERT_GT(plan.shares.size(), 0u) << "work, but none is done";
    }
  }

  // Writes each new token's key into its slot and reads back all keys before it.
  void compute(const StepPlan& plan) {
    const Batch batch = batch_.batch();
    ASSERT_EQ(batch.sequences.size(), plan.shares.size());
    std::size_t next_logit = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const BatchSequence& s = batch.sequences[i];
      const Sequence& owner = *plan.shares[i].sequence;
      Key key = first_key(owner);
      for (int p = 0; p < s.start + s.num_rows; ++p) {
        const auto index = static_cast<std::size_t>(p);
        const std::size_t num_tokens = owner.tokens.size();
        const TokenId token =
            index < num_tokens ? owner.tokens[index] : owner.draft[index - num_tokens];
        key = next_key(key, owner, p, token);
        if (p < s.start) {
          ASSERT_EQ(slot(s, p), key)
              << "position " << p << " of sequence " << owner.id << " holds another text's key";
          continue;
        }
        const auto row = static_cast<std::size_t>(s.first_row + p - s.start);
        ASSERT_EQ(batch.tokens[row], token);
        ASSERT_EQ(batch.positions[row], p);
        ASSERT_EQ(row < static_cast<std::size_t>(batch.num_prompt_rows), owner.is_of_prompt(p));
        slot(s, p) = key;
      }
      if (!plan.shares[i].completes()) continue;
      for (int row = plan.shares[i].num_tokens - 1; row < s.num_rows; ++row)
        ASSERT_EQ(batch.logit_rows[next_logit++], s.first_row + row);
    }
    ASSERT_EQ(next_logit, batch.logit_rows.size());
  }

  // The next token is a function of the text alone, as greedy decoding's.
  void settle(Request& r, int num_draft) {
    Sequence& s = r.sequence;
    Key key = first_key(s);
    for (int p = 0; p < s.num_tokens(); ++p)
      key = next_key(key, s, p, s.tokens[static_cast<std::size_t>(p)]);
    for (int i = 0;; ++i) {
      if (s.tokens.size() >= r.wanted) {
        coverage_.filled_the_memory += r.wanted == static_cast<std::size_t>(load_.longest);
        return finish(r);
      }
      if (r.fails_at > 0 && s.tokens.size() >= r.fails_at) {
        ++(num_draft == 0 ? coverage_.failed : coverage_.failed_with_draft);
        return finish(r);
      }
      const TokenId token = static_cast<TokenId>(key % 50);
      s.tokens.push_back(token);
      key = next_key(key, s, s.num_tokens() - 1, token);
      if (i == num_draft || s.draft[static_cast<std::size_t>(i)] != token) break;
      scheduler_.computed({&s, 1});
    }
    guess(r, key);
  }

  // Each token of a draft is right three times of four; the text after a wrong one is another.
  void guess(Request& r, Key key) {
    r.sequence.draft.clear();
    const std::size_t most = r.wanted - std::min(r.wanted, r.sequence.tokens.size() + 1);
    for (std::size_t i = rng_() % 20; i-- > 0 && r.sequence.draft.size() < most;) {
      const TokenId token = static_cast<TokenId>(rng_() % 4 == 0 ? 60 : key % 50);
      r.sequence.draft.push_back(token);
      key = next_key(key, r.sequence, r.sequence.num_tokens(), token);
    }
  }

  void finish(Request& r) {
    scheduler_.remove(r.sequence);
    r.done = true;
    for (auto& other : requests_)
      if (other->sequence.leader == &r.sequence) other->sequence.leader = nullptr;
    ASSERT_TRUE(r.sequence.pages.empty());
  }

  void check_references() {
    std::vector<int> holders(static_cast<std::size_t>(load_.num_pages));
    for (const auto& r : requests_)
      for (const int page : r->sequence.pages) ++holders[static_cast<std::size_t>(page)];
    for (int page = 0; page < load_.num_pages; ++page)
      ASSERT_EQ(pool_.references(page), holders[static_cast<std::size_t>(page)]) << page;
  }

  Request& request_of(const Sequence& s) { return *requests_[static_cast<std::size_t>(s.id - 1)]; }

  std::mt19937_64 rng_;
  Coverage& coverage_;
  Load load_;
  PagePool pool_;
  Scheduler scheduler_;
  GatheredBatch batch_;
  std::vector<Key> cache_;
  std::vector<std::unique_ptr<Request>> requests_;
};

TEST(Simulation, EverySequenceEndsAndReadsOnlyItsOwnText) {
  const char* wanted = std::getenv("PRONK_SIMULATIONS");
  const int runs = wanted ? std::atoi(wanted) : 1000;
  Coverage seen;
  for (int seed = 0; seed < runs; ++seed) {
    Simulation(static_cast<std::uint64_t>(seed), seen).run();
    if (HasFailure()) FAIL() << "seed " << seed;
  }
  if (runs < 1000) return;
  for (const int count : {seen.cancelled_waiting, seen.cancelled_reading, seen.cancelled_writing,
                          seen.cancelled_with_draft, seen.preempted, seen.failed,
                          seen.failed_with_draft, seen.filled_the_memory, seen.copied})
    EXPECT_GT(count, 20);
}

}  // namespace
}  // namespace pronk
