#include "pronk/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "base/system.h"
#include "base/thread_pool.h"
#include "engine/event_queue.h"
#include "engine/gather.h"
#include "engine/page_pool.h"
#include "engine/parts.h"
#include "engine/reply.h"
#include "engine/scheduler.h"
#include "formats/llama_config.h"
#include "model/plan.h"

namespace pronk {
namespace {

using Clock = std::chrono::steady_clock;

Status check_options(const EngineOptions& o) {
  const auto refuse = [](const char* name, int value, int least) {
    return error(Code::kInvalidArgument,
                 fmt::format("start: {} is {}, must be {} or more", name, value, least));
  };
  if (o.num_threads < 0) return refuse("num_threads", o.num_threads, 0);
  if (o.context < 0) return refuse("context", o.context, 0);
  if (o.max_sequences < 1) return refuse("max_sequences", o.max_sequences, 1);
  if (o.max_batch_tokens < 1) return refuse("max_batch_tokens", o.max_batch_tokens, 1);
  if (o.max_waiting < 0) return refuse("max_waiting", o.max_waiting, 0);
  return Ok{};
}

// A step serves every running sequence, so no more run than it has tokens.
int max_running(const EngineOptions& o) { return std::min(o.max_sequences, o.max_batch_tokens); }

constexpr int kMaxDraftTokens = 64;  // of a step: bounds its rows of logits

int max_draft_tokens(const EngineOptions& o) {
  if (o.speculate == Speculate::kOff) return 0;
  return std::min(
      {kMaxDraftTokens, NgramDrafter::kMostTokens * max_running(o), o.max_batch_tokens - 1});
}
int max_logit_rows(const EngineOptions& o) {
  return std::min(max_running(o) + max_draft_tokens(o), o.max_batch_tokens);
}

}  // namespace

// Only the engine's thread touches what stands below `thread`; the others come in by `inbox` and
// read `stats`.
struct Engine::Impl {
  explicit Impl(EngineParts p)
      : parts(std::move(p)),
        pool(parts.capacity.num_pages),
        scheduler(pool, {.max_sequences = max_running(parts.options),
                         .max_batch_tokens = parts.options.max_batch_tokens,
                         .prefix_cache = parts.options.prefix_cache,
                         .max_draft_tokens = max_draft_tokens(parts.options)}),
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
  ThreadPool threads;                                   // for picking
  std::vector<std::unique_ptr<ReplySequence>> replies;  // those that have not ended
  std::vector<Share> completed;                         // by this step: they get tokens
  EngineStats stats;

  void run();
  void drop_cancelled();
  void step();
  void compute(std::span<const Share> shares);
  void settle(std::span<const Share> shares, std::span<float> logits);
  void hand_out(const Share& share, ReplySequence::Picks picks);
  void account(std::span<const Share> shares, double seconds);
  void end(ReplySequence& reply);
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
    if (ReplySequence& reply = *replies[i]; reply.cancelled()) {
      reply.finish(FinishReason::kCancelled);
      end(reply);
    }
}

void Engine::Impl::step() {
  const StepPlan plan = scheduler.plan();
  PRONK_CHECK(!plan.shares.empty(), "while there are replies, the oldest gets on");
  stats.preemptions += plan.num_preempted;
  for (const Share& share : plan.shares)
    if (share.sequence->num_computed == share.sequence->num_from_cache)
      stats.cached_tokens += share.sequence->num_from_cache;
  compute(plan.shares);
}

// A failed step is taken apart to find out whose logits broke it; the others go on.
void Engine::Impl::compute(std::span<const Share> shares) {
  gathered.gather(shares);
  const auto before = Clock::now();
  auto logits = parts.runner->step(gathered.batch());
  account(shares, std::chrono::duration<double>(Clock::now() - before).count());
  if (logits) {
    settle(shares, *logits);
  } else if (logits.error().code == Code::kFailed && shares.size() > 1) {
    for (std::size_t i = 0; i < shares.size(); ++i) compute(shares.subspan(i, 1));
  } else if (logits.error().code == Code::kFailed && shares[0].num_draft > 0) {
    const Share without_draft{shares[0].sequence, shares[0].num_tokens};
    compute({&without_draft, 1});
  } else {
    for (const Share& share : shares) {
      ReplySequence& reply = static_cast<ReplySequence&>(*share.sequence);
      reply.finish(FinishReason::kError, logits.error());
      end(reply);
    }
  }
}

// First every token is picked, on all threads, and counted; then the readers hear of it: so that
// whoever has seen a reply's end finds it in the statistics.
void Engine::Impl::settle(std::span<const Share> shares, std::span<float> logits) {
  completed.clear();
  for (const Share& share : shares) {
    if (share.completes()) completed.push_back(share);
    scheduler.computed(share);
  }
  const auto vocab_size = static_cast<std::size_t>(parts.vocab_size);
  std::vector<std::span<float>> rows;  // of each reply
  for (const Share& share : completed) {
    const std::size_t size = static_cast<std::size_t>(1 + share.num_draft) * vocab_size;
    rows.push_back(logits.first(size));
    logits = logits.subspan(size);
  }
  std::vector<ReplySequence::Picks> picks(completed.size());
  threads.run(static_cast<int>(completed.size()), [&](int item, int) {
    const auto i = static_cast<std::size_t>(item);
    picks[i] =
        static_cast<ReplySequence*>(completed[i].sequence)->pick(rows[i], completed[i].num_draft);
  });
  for (std::size_t i = 0; i < picks.size(); ++i) {
    stats.generated_tokens += static_cast<std::int64_t>(picks[i].tokens.size());
    stats.drafted_tokens += completed[i].num_draft;
    if (!picks[i].tokens.empty()) stats.accepted_tokens += picks[i].num_confirmed();
  }
  tell_stats();

  for (const Share& share : shares) static_cast<ReplySequence&>(*share.sequence).tell_progress();
  for (std::size_t i = 0; i < completed.size(); ++i) hand_out(completed[i], std::move(picks[i]));
}

// The sequence grows by its tokens; all but the last of them are in the cache already.
void Engine::Impl::hand_out(const Share& share, ReplySequence::Picks picks) {
  ReplySequence& reply = static_cast<ReplySequence&>(*share.sequence);
  const int num_tokens = static_cast<int>(picks.tokens.size());
  for (int i = 0; i < num_tokens; ++i) {
    if (reply.accept(std::move(picks.tokens[static_cast<std::size_t>(i)]))) return end(reply);
    if (i + 1 < num_tokens) scheduler.computed({&reply, 1});
  }
  if (picks.error) {
    reply.finish(FinishReason::kError, std::move(picks.error));
    return end(reply);
  }
  reply.draft_again(share.num_draft, picks.num_confirmed());
}

// A step's time belongs to prompts and replies by their rows.
void Engine::Impl::account(std::span<const Share> shares, double seconds) {
  int num_prompt = 0, num_decoded = 0;
  for (const Share& share : shares)
    (static_cast<ReplySequence&>(*share.sequence).reads_prompt() ? num_prompt : num_decoded) +=
        share.num_tokens;
  const double of_prompts = seconds * num_prompt / (num_prompt + num_decoded);
  ++stats.steps;
  stats.prompt_tokens += num_prompt;
  stats.prefill_seconds += of_prompts;
  stats.decode_seconds += seconds - of_prompts;
}

void Engine::Impl::end(ReplySequence& reply) {
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

Result<std::unique_ptr<Engine>> Engine::start(std::shared_ptr<const Model> model,
                                              const EngineOptions& options) {
  PRONK_TRY(check_options(options));
  const LlamaConfig& config = model->config();
  const int num_threads = options.num_threads > 0 ? options.num_threads : num_usable_cores();
  const KvShape shape = PRONK_TRY(kv_shape(config, model->precision(), options.cache_type));
  const std::int64_t arena_bytes =
      step_arena_bytes(config, model->weights(), shape, num_threads, options.max_batch_tokens,
                       max_logit_rows(options));
  // A tenth of the memory is left to whoever else lives here.
  const CapacityFacts facts{.model_context = config.max_context,
                            .page_bytes = shape.page_bytes(),
                            .available_bytes = memory_available_bytes() / 10 * 9 - arena_bytes};
  EngineParts parts;
  parts.capacity = PRONK_TRY(choose_capacity(facts, options));
  parts.runner = PRONK_TRY(make_cpu_runner(model, {.num_threads = num_threads,
                                                   .num_kv_pages = parts.capacity.num_pages,
                                                   .max_batch_tokens = options.max_batch_tokens,
                                                   .max_logit_rows = max_logit_rows(options),
                                                   .cache_type = options.cache_type}));
  parts.vocab_size = config.vocab_size;
  if (model->has_tokenizer()) parts.tokenizer = model->tokenizer();
  parts.model = std::move(model);
  parts.options = options;
  return start_with(std::move(parts));
}

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
                                   .speculate = e.parts.options.speculate};
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
