// Guesses what follows a text by a smaller model with the same tokenizer: it picks as the reply's
// sampler would, with the same random numbers, so that two models that agree pick the same token.
//
// It reads texts as an engine does, by a scheduler and a page pool of its own over its own KV cache
// (so a text that begins like an earlier one is not read twice), but one step a call: a long text
// is caught up with over several. The keys of guesses lie beyond what the scheduler counts as
// computed: those that came true are counted when the text comes back grown, the others are written
// over.
//
// Of a text that is there already it reads the end only, as much as an allowance pays for. Guesses
// that come true add to the allowance; once it pays for twice as much, the text is read again from
// further back. While there is none, a model is on trial: it waits for the first tokens of the
// reply, reads them and a few before them in one step, and is judged by what it would have picked.
// So a model of no use costs about that step, and never reads the prompt.
#pragma once
#include <map>
#include <memory>
#include <optional>

#include "engine/drafter.h"
#include "engine/gather.h"
#include "engine/scheduler.h"
#include "model/runner.h"
#include "pronk/result.h"

namespace pronk {

class ModelDrafter final : public Drafter {
 public:
  struct Parts {
    std::unique_ptr<Runner> runner;
    int num_pages = 0;  // of the runner
    int context = 0;    // longer texts get no guesses; fits the pages
    int vocab_size = 0;
    double expected_cost = 0;  // Drafter::expected_cost; 0: reading costs nothing
    SchedulerLimits limits;
  };
  explicit ModelDrafter(Parts parts);
  // A step that fails ends the guessing for good.
  DraftCost propose(std::span<DraftRequest> requests) override;
  void forget(std::uint64_t id) override;
  double expected_cost() const override { return parts_.expected_cost; }
  int num_pages_available() const { return pool_.num_available(); }

 private:
  // Its tokens are the request's from `begin` on.
  struct Text : Sequence {
    std::size_t begin = 0;
    std::optional<Sampler> trial;  // until it was: the reply's, before what the model is tried on
    std::vector<TokenId> guesses;  // the last ones
    std::size_t num_kept = 0;      // of them, with keys in the cache
    DraftRequest* request = nullptr;
  };
  // A text that has too few tokens for a trial yet: what it was when it was asked for.
  struct Waiting {
    std::size_t num_tokens;
    Sampler sampler;
  };
  // A text that is guessed at now.
  struct Guesser {
    Text* text;
    Sampler sampler;
    std::size_t most;
    std::size_t row;  // of the step's logits
  };

  void take_in(DraftRequest& request);
  Text* text_of(const DraftRequest& request);
  Text* begin_text(const DraftRequest& request, std::size_t end, std::size_t most_tokens);
  Text* begin_trial(const DraftRequest& request);
  void grow(Text& text, const DraftRequest& request);
  void judge(Text& text, int num_tokens, std::span<float> logits);
  void earn(std::size_t num_true_guesses);
  Result<int> read(std::vector<Guesser>& guessers);
  Status guess_on(std::vector<Guesser>& guessers);
  void pick(std::vector<Guesser>& guessers, std::span<float> logits);

  Parts parts_;
  PagePool pool_;
  Scheduler scheduler_;
  GatheredBatch gathered_;
  std::map<std::uint64_t, std::unique_ptr<Text>> texts_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::size_t allowance_;  // tokens of texts to read
  bool failed_ = false;
};

// Status: kInvalidArgument where the two read other tokens under the same ids.
Status check_same_tokens(const Model& model, const Model& draft);

}  // namespace pronk
