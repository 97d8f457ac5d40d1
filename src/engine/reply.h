// One request from its prompt to its end: what the scheduler sees of it (Sequence), and how its
// tokens become events.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "engine/draft_policy.h"
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
    bool reads_prompts_apart = false;      // Runner's
  };
  // The next tokens, in order; the error that came after them.
  struct Picks {
    std::vector<Picked> tokens;
    std::optional<Error> error;
    int num_confirmed() const {  // of the draft
      return tokens.empty() ? 0 : static_cast<int>(tokens.size()) - 1;
    }
    // No token at all, perhaps because of the guesses beside it.
    bool failed_by_draft(int num_draft) const { return tokens.empty() && num_draft > 0; }
  };
  // Errors: as Engine::submit.
  static Result<std::unique_ptr<ReplySequence>> create(const Prompt& prompt, const Setup& setup,
                                                       std::shared_ptr<EventQueue> events);

  // From the logits [1 + num_draft, V] after the last token and after each of the draft: picks
  // go on as long as the draft said the same.
  Picks pick(std::span<float> logits, int num_draft);
  // The next token: grows the sequence and tells the reader. True when it ended the reply.
  bool accept(Picked picked);
  // One token is picked in any case; a draft is what may come after it within the limit.
  int most_draft_tokens() const { return most_tokens_ - num_tokens() - 1; }
  void tell_progress();
  void finish(FinishReason reason, std::optional<Error> error = {});

  bool cancelled() const { return events_->cancelled(); }
  bool reads_prompt() const { return num_computed < num_prompt_; }
  const std::shared_ptr<EventQueue>& events() const { return events_; }
  const Sampler& sampler() const { return sampler_; }

  Acceptance acceptance;  // of its drafts

 private:
  ReplySequence(const Prompt& prompt, const Setup& setup, Sampler sampler,
                std::shared_ptr<EventQueue> events);
  std::string spell(TokenId token);
  bool is_end(TokenId token) const;

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
