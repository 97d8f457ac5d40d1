#include "pronk/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/thread_pool.h"
#include "engine/event_queue.h"
#include "engine/gather.h"
#include "engine/page_pool.h"
#include "engine/parts.h"
#include "engine/phase_stats.h"
#include "engine/reply.h"
#include "engine/scheduler.h"
#include "engine/speculation.h"

namespace pronk {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

ReplySequence& reply_of(const Share& share) { return static_cast<ReplySequence&>(*share.sequence); }

}  // namespace

// Only the engine's thread touches what stands below `thread`; the others come in by `inbox` and
// read `stats`.
struct Engine::Impl {
  explicit Impl(EngineParts p)
      : parts(std::move(p)),
        pool(parts.capacity.num_pages),
        scheduler(pool, scheduler_limits(parts.options)),
        speculation(std::move(parts.drafter), parts.options.speculate_always),
        threads(max_running(parts.options) > 1 ? parts.runner->num_threads() : 1) {
    told.pages_total = told.pages_free = pool.num_pages();
    thread = std::thread([this] { run(); });
  }
  ~Impl() {
    inbox->stop();
    thread.join();
  }

  EngineParts parts;
  std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
  std::atomic<std::uint64_t> next_id{1};
  std::atomic<int> num_open{0};  // replies submitted and not yet ended
  mutable std::mutex stats_mutex;
  EngineStats told;  // under stats_mutex
  std::thread thread;

  PagePool pool;
  Scheduler scheduler;
  GatheredBatch gathered;
  Speculation speculation;
  ThreadPool threads;                                   // for picking
  std::vector<std::unique_ptr<ReplySequence>> replies;  // those that have not ended
  EngineStats stats;

  void run();
  void drop_cancelled();
  void step();
  std::vector<ReplySequence::Picks> pick(std::span<const Share> completed, std::span<float> logits);
  int settle(std::span<const Share> shares, std::span<float> logits);
  bool hand_out(const Share& share, ReplySequence::Picks picks);
  void account(std::span<const Share> shares, double seconds);
  void end(ReplySequence& reply, FinishReason reason, std::optional<Error> error = {});
  void drop(ReplySequence& reply);
  void tell_stats();
};

void Engine::Impl::run() {
  std::vector<std::unique_ptr<ReplySequence>> arrived;
  while (inbox->take(arrived, replies.empty())) {
    for (auto& reply : arrived) {
      scheduler.add(*reply);
      replies.push_back(std::move(reply));
    }
    arrived.clear();
    drop_cancelled();
    if (!replies.empty()) step();
    tell_stats();
  }
  for (auto& reply : arrived) reply->finish(FinishReason::kCancelled);
  for (auto& reply : replies) reply->finish(FinishReason::kCancelled);
}

void Engine::Impl::drop_cancelled() {
  for (std::size_t i = replies.size(); i-- > 0;)
    if (replies[i]->cancelled()) end(*replies[i], FinishReason::kCancelled);
}

void Engine::Impl::step() {
  const StepPlan plan = scheduler.plan();
  PRONK_CHECK(!plan.shares.empty(), "while there are replies, the oldest gets on");
  stats.preemptions += plan.num_preempted;
  for (const Share& share : plan.shares)
    if (share.sequence->num_computed == share.sequence->num_from_cache)
      stats.cached_tokens += share.sequence->num_from_cache;
  for (const PageCopy& copy : plan.copies) parts.runner->copy_page(copy.from, copy.to);
  gathered.gather(plan.shares);
  const auto before = Clock::now();
  const auto logits = parts.runner->step(gathered.batch());
  const double seconds = seconds_since(before);
  account(plan.shares, seconds);
  if (logits) {
    const int num_tokens = settle(plan.shares, *logits);
    speculation.stepped(plan.shares, num_tokens, seconds);
  } else {
    for (const Share& share : plan.shares)
      end(reply_of(share), FinishReason::kError, logits.error());
  }
}

// A row that holds a NaN fails its own reply: no other row has read it.
std::vector<ReplySequence::Picks> Engine::Impl::pick(std::span<const Share> completed,
                                                     std::span<float> logits) {
  const auto vocab_size = static_cast<std::size_t>(parts.vocab_size);
  std::vector<std::span<float>> rows;  // of each reply
  std::span<float> left = logits;
  for (const Share& share : completed) {
    const std::size_t size = static_cast<std::size_t>(1 + share.num_draft) * vocab_size;
    rows.push_back(left.first(size));
    left = left.subspan(size);
  }
  std::vector<ReplySequence::Picks> picks(completed.size());
  threads.run(static_cast<int>(completed.size()), [&](int item, int) {
    const auto i = static_cast<std::size_t>(item);
    picks[i] = reply_of(completed[i]).pick(rows[i], completed[i].num_draft);
  });
  for (std::size_t i = 0; i < picks.size(); ++i)
    if (picks[i].error && completed[i].num_draft == 0)
      if (Status status = parts.runner->check(gathered.batch(), rows[i]); !status)
        picks[i].error = std::move(status).error();
  return picks;
}

// First every token is picked, on all threads, and counted; then the readers hear of it: so that
// whoever has seen a reply's end finds it in the statistics. How many tokens came of it.
int Engine::Impl::settle(std::span<const Share> shares, std::span<float> logits) {
  std::vector<Share> completed;
  for (const Share& share : shares)
    if (share.completes()) completed.push_back(share);
  std::vector<ReplySequence::Picks> picks = pick(completed, logits);
  int num_tokens = 0;
  for (std::size_t i = 0; i < picks.size(); ++i) {
    num_tokens += static_cast<int>(picks[i].tokens.size());
    stats.drafted_tokens += completed[i].num_draft;
    stats.accepted_tokens += picks[i].num_confirmed();
  }
  stats.generated_tokens += num_tokens;
  tell_stats();

  for (const Share& share : shares)
    if (!share.completes()) scheduler.computed(share);
  for (std::size_t i = 0; i < picks.size(); ++i)
    if (!picks[i].failed_by_draft(completed[i].num_draft)) scheduler.computed(completed[i]);
  for (const Share& share : shares) reply_of(share).tell_progress();
  std::vector<ReplySequence*> growing;
  for (std::size_t i = 0; i < completed.size(); ++i)
    if (hand_out(completed[i], std::move(picks[i]))) growing.push_back(&reply_of(completed[i]));
  stats.decode.seconds += speculation.draft(growing);
  return num_tokens;
}

// The sequence grows by its tokens; all but the last of them are in the cache already. Whether it
// goes on, and may be guessed at.
bool Engine::Impl::hand_out(const Share& share, ReplySequence::Picks picks) {
  ReplySequence& reply = reply_of(share);
  reply.acceptance.add(share.num_draft, picks.num_confirmed());
  const int num_tokens = static_cast<int>(picks.tokens.size());
  for (int i = 0; i < num_tokens; ++i) {
    if (reply.accept(std::move(picks.tokens[static_cast<std::size_t>(i)]))) {
      drop(reply);
      return false;
    }
    if (i + 1 < num_tokens) scheduler.computed({&reply, 1});
  }
  // The NaN of a guess may have reached the rows before it, where attention multiplies it by zero:
  // the next step does without.
  reply.draft.clear();
  if (picks.error && share.num_draft == 0) end(reply, FinishReason::kError, std::move(picks.error));
  return !picks.error;
}

// A step's time and work belong to prompts and replies by their rows.
void Engine::Impl::account(std::span<const Share> shares, double seconds) {
  int num_prompt = 0, num_decoded = 0;
  for (const Share& share : shares)
    (reply_of(share).reads_prompt() ? num_prompt : num_decoded) += share.num_tokens;
  const double of_prompts = static_cast<double>(num_prompt) / (num_prompt + num_decoded);
  ++stats.steps;
  stats.prompt_tokens += num_prompt;
  stats.prefill.seconds += of_prompts * seconds;
  stats.decode.seconds += (1 - of_prompts) * seconds;
  if (!parts.peaks) return;
  const StepCost cost = parts.runner->cost(gathered.batch());
  if (num_prompt > 0) add_step(stats.prefill, cost, *parts.peaks, of_prompts);
  if (num_decoded > 0) add_step(stats.decode, cost, *parts.peaks, 1 - of_prompts);
}

void Engine::Impl::end(ReplySequence& reply, FinishReason reason, std::optional<Error> error) {
  reply.finish(reason, std::move(error));
  drop(reply);
}

void Engine::Impl::drop(ReplySequence& reply) {
  speculation.forget(reply);
  scheduler.remove(reply);
  std::erase_if(replies, [&](const auto& r) { return r.get() == &reply; });
  --num_open;
}

void Engine::Impl::tell_stats() {
  stats.running = scheduler.num_running();
  stats.waiting = scheduler.num_waiting();
  stats.pages_total = pool.num_pages();
  stats.pages_free = pool.num_available();
  std::lock_guard lock(stats_mutex);
  told = stats;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::start_with(EngineParts parts) {
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Impl>(std::move(parts))));
}

Result<Stream> Engine::submit(Prompt prompt) {
  auto streams = PRONK_TRY(submit(std::move(prompt), 1));
  return std::move(streams.front());
}

Result<std::vector<Stream>> Engine::submit(Prompt prompt, int num_replies) {
  Impl& e = *impl_;
  if (num_replies < 1)
    return error(Code::kInvalidArgument,
                 fmt::format("prompt: {} replies were asked for, 1 is the least", num_replies));
  const ReplySequence::Setup setup{.vocab_size = e.parts.vocab_size,
                                   .context = e.parts.capacity.context,
                                   .tokenizer = e.parts.tokenizer ? &*e.parts.tokenizer : nullptr,
                                   .reads_prompts_apart = e.parts.runner->reads_prompts_apart()};
  std::vector<std::unique_ptr<ReplySequence>> replies;
  std::vector<Stream> streams;
  for (int i = 0; i < num_replies; ++i) {
    const auto events = std::make_shared<EventQueue>(e.inbox);
    replies.push_back(PRONK_TRY(ReplySequence::create(prompt, setup, events)));
    streams.push_back(Stream(events));
    if (i > 0) replies.back()->leader = replies.front().get();
    ++prompt.sampling.seed;
  }
  const int limit = e.parts.options.max_sequences + e.parts.options.max_waiting;
  if (e.num_open.fetch_add(num_replies) + num_replies > limit) {
    e.num_open -= num_replies;
    return error(
        Code::kResourceExhausted,
        fmt::format("prompt: {} replies are running or waiting already; try again later", limit));
  }
  const std::uint64_t first_id = e.next_id.fetch_add(static_cast<std::uint64_t>(num_replies));
  for (int i = 0; i < num_replies; ++i)
    replies[static_cast<std::size_t>(i)]->id = first_id + static_cast<std::uint64_t>(i);
  if (!e.inbox->put(std::move(replies)))
    return error(Code::kCancelled, "prompt: the engine has stopped");
  return streams;
}

EngineStats Engine::stats() const {
  std::lock_guard lock(impl_->stats_mutex);
  return impl_->told;
}
int Engine::context() const { return impl_->parts.capacity.context; }
std::string_view Engine::isa() const { return impl_->parts.runner->isa(); }
int Engine::num_threads() const { return impl_->parts.runner->num_threads(); }
const Model& Engine::model() const { return *impl_->parts.model; }

}  // namespace pronk
