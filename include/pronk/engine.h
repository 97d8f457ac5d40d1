// Many prompts in, tokens out: continuous batching over a paged KV cache.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/model.h"
#include "pronk/result.h"
#include "pronk/sampling.h"
#include "pronk/types.h"

namespace pronk {

// Guessing tokens ahead and verifying several in one step. Changes the speed, never a token.
enum class Speculate {
  kOff,
  kNgram,       // what followed the same words earlier in the text
  kDraftModel,  // what a smaller model says, EngineOptions::draft_model
};

struct EngineOptions {
  int num_threads = 0;  // 0: the cores this process may use
  int context = 0;  // tokens of the longest sequence; 0: what the model allows and the memory holds
  int max_sequences = 16;      // running together
  int max_batch_tokens = 256;  // tokens per step
  int max_waiting = 1024;      // requests beyond those running; more are refused
  bool prefix_cache = true;
  CacheType cache_type = CacheType::kBF16;
  Speculate speculate = Speculate::kOff;
  std::shared_ptr<const Model> draft_model = {};  // has the model's tokenizer
  bool speculate_always = false;                  // even where it was measured not to pay
  // Takes about a second at start to find out what the machine does at most, and up to 1 GiB while
  // it lasts: PhaseStats then says how much of that is reached.
  bool measure_limits = false;
};

struct Prompt {
  std::vector<TokenId> tokens;  // not empty
  // Those that were earlier replies, said again in a conversation; in order, apart from each other.
  // They are computed as they were then, so that what is known of them is used (Session).
  std::vector<TokenRange> replies = {};
  SamplingParams sampling;
  int max_tokens = 0;  // 0: until the context is full
  bool ignore_eos = false;
  std::vector<TokenId> end_tokens;  // empty: the tokenizer's
  std::vector<std::string> stop;    // text that ends the reply; not part of it
  std::string cache_namespace;      // prompts share what was computed only within one
};

enum class FinishReason { kEnd, kStop, kLength, kCancelled, kError };

// One token's worth of a reply, or its end.
struct Event {
  std::string text;             // finished UTF-8, stop strings held back; may be empty
  std::optional<Picked> token;  // absent in the last event
  std::optional<FinishReason> finish;
  std::optional<Error> error;  // with kError
  // While the prompt is read (text and token are empty then): tokens so far, and how many of them
  // were already known from an earlier prompt.
  int num_prompt_done = 0;
  int num_prompt_cached = 0;
};

class EventQueue;    // engine/event_queue.h
struct EngineParts;  // engine/parts.h

// A reply on its way. One reader thread; cancel() from any thread. Destroying it cancels.
class Stream {
 public:
  std::optional<Event> next();  // blocks; empty after the last event
  void cancel();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

 private:
  friend class Engine;
  explicit Stream(std::shared_ptr<EventQueue> events);
  std::shared_ptr<EventQueue> events_;
};

// Reading prompts, or writing replies. A step that does both counts for each by its tokens.
struct PhaseStats {
  double seconds = 0;  // of steps; for replies also of guessing
  // With EngineOptions::measure_limits. A multiply and an add are two operations; bytes are those
  // read from weights and cache.
  std::int64_t operations = 0, bytes = 0;
  // The least that its steps take on this machine: of those that its memory bounds, and of those
  // that its multipliers bound.
  double memory_bound_seconds = 0, compute_bound_seconds = 0;

  double least_seconds() const { return memory_bound_seconds + compute_bound_seconds; }
  double percent_of_limit() const { return seconds > 0 ? 100 * least_seconds() / seconds : 0; }
  // What bounds most of it: "memory" or "compute".
  std::string_view limited_by() const {
    return memory_bound_seconds >= compute_bound_seconds ? "memory" : "compute";
  }
};

struct EngineStats {
  std::int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0, steps = 0,
               preemptions = 0;
  std::int64_t drafted_tokens = 0, accepted_tokens = 0;  // guesses verified, and those come true
  PhaseStats prefill, decode;
  int running = 0, waiting = 0, pages_total = 0, pages_free = 0;
};

// Owns its thread, the pool and the KV memory. Thread-safe.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> start(std::shared_ptr<const Model> model,
                                               const EngineOptions& options = {});
  // The same on a runner of the caller's: how tests drive it.
  static std::unique_ptr<Engine> start_with(EngineParts parts);
  ~Engine();  // every open stream ends with kCancelled

  // Errors: kInvalidArgument (empty prompt, unknown id, no room in the context, bad sampling
  // parameter); kResourceExhausted (max_waiting).
  Result<Stream> submit(Prompt prompt);
  // Several replies to one prompt, which is read once; the i-th draws with seed + i.
  Result<std::vector<Stream>> submit(Prompt prompt, int num_replies);
  EngineStats stats() const;
  int context() const;  // as chosen at start
  std::string_view isa() const;
  int num_threads() const;
  const Model& model() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pronk
