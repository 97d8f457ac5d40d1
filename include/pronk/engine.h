// Many prompts in, tokens out: continuous batching over a paged KV cache.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pronk/model.h"
#include "pronk/result.h"
#include "pronk/sampling.h"
#include "pronk/types.h"

namespace pronk {

struct EngineOptions {
  int num_threads = 0;  // 0: the cores this process may use
  int context = 0;  // tokens of the longest sequence; 0: what the model allows and the memory holds
  int max_sequences = 16;      // running together
  int max_batch_tokens = 512;  // tokens per step
  bool prefix_cache = true;
};

struct Prompt {
  std::vector<TokenId> tokens;  // not empty
  SamplingParams sampling;
  int max_tokens = 0;  // 0: until the context is full
  bool ignore_eos = false;
  std::vector<TokenId> end_tokens;  // empty: the tokenizer's
  std::vector<std::string> stop;    // text that ends the reply; not part of it
};

enum class FinishReason { kEnd, kStop, kLength, kCancelled, kError };

// One token's worth of a reply, or its end.
struct Event {
  std::string text;             // finished UTF-8, stop strings held back; may be empty
  std::optional<Picked> token;  // absent in the last event
  std::optional<FinishReason> finish;
  std::optional<Error> error;  // with kError
  int num_prompt_done =
      0;  // while the prompt is read: tokens so far (then text and token are empty)
};

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
  struct Impl;
  explicit Stream(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

struct EngineStats {
  std::int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0, steps = 0,
               preemptions = 0;
  double prefill_seconds = 0, decode_seconds = 0;
  int running = 0, waiting = 0, pages_total = 0, pages_free = 0;
};

// Owns its thread, the pool and the KV memory. Thread-safe.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> start(std::shared_ptr<const Model> model,
                                               const EngineOptions& options = {});
  ~Engine();
  // Errors: kInvalidArgument (empty prompt, unknown id, longer than the context; bad sampling
  // parameter).
  Result<Stream> submit(Prompt prompt);
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
