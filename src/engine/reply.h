// One request from its prompt to its end: what the scheduler sees of it (Sequence), and how its
// tokens become events.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "engine/event_queue.h"
#include "engine/scheduler.h"
#include "engine/stop_matcher.h"
#include "pronk/engine.h"
#include "pronk/sampling.h"
#include "pronk/tokenizer.h"

namespace pronk {

// Made by the thread that submits, used by the engine's from then on.
class ReplySequence : public Sequence {
 public:
  struct Setup {
    int vocab_size = 0;
    int context = 0;
    const Tokenizer* tokenizer = nullptr;  // none: events carry tokens only
  };
  // Errors: as Engine::submit.
  static Result<std::unique_ptr<ReplySequence>> create(const Prompt& prompt, const Setup& setup,
                                                       std::shared_ptr<EventQueue> events);

  Result<Picked> pick(std::span<float> logits) { return sampler_.pick(logits); }
  // The next token: grows the sequence and tells the reader. True when it ended the reply.
  bool accept(Picked picked);
  void tell_progress();
  void finish(FinishReason reason, std::optional<Error> error = {});

  bool cancelled() const { return events_->cancelled(); }
  bool reads_prompt() const { return num_computed < num_prompt_; }
  const std::shared_ptr<EventQueue>& events() const { return events_; }

 private:
  ReplySequence(const Prompt& prompt, const Setup& setup, Sampler sampler,
                std::shared_ptr<EventQueue> events);
  std::string spell(TokenId token);

  Sampler sampler_;
  std::optional<Detokenizer> detokenizer_;
  StopMatcher stops_;
  std::vector<TokenId> end_tokens_;  // empty with ignore_eos
  int num_prompt_;
  int most_tokens_;          // prompt and reply together
  int num_prompt_told_ = 0;  // by tell_progress()
  std::shared_ptr<EventQueue> events_;
};

}  // namespace pronk
