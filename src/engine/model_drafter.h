// Guesses what follows a text by a smaller model with the same tokenizer: it picks as the reply's
// sampler would, with the same random numbers, so that two models that agree pick the same token.
//
// It reads texts as an engine does, by a scheduler and a page pool of its own over its own KV cache
// (so a text that begins like an earlier one is not read twice), but one step a call: a long text
// is caught up with over several. The keys of guesses lie beyond what the scheduler counts as
// computed: those that came true are counted when the text comes back grown, the others are written
// over.
#pragma once
#include <map>
#include <memory>

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
    double expected_cost = 0;  // Drafter::expected_cost
    SchedulerLimits limits;
  };
  explicit ModelDrafter(Parts parts);
  // A step that fails ends the guessing for good.
  DraftCost propose(std::span<DraftRequest> requests) override;
  void forget(std::uint64_t id) override;
  double expected_cost() const override { return parts_.expected_cost; }
  int num_pages_available() const { return pool_.num_available(); }

 private:
  struct Text : Sequence {
    std::vector<TokenId> guesses;  // the last ones
    std::size_t num_kept = 0;      // of them, with keys in the cache
    DraftRequest* request = nullptr;
  };
  // A text that is guessed at now.
  struct Guesser {
    Text* text;
    Sampler sampler;
    std::size_t most;
    std::size_t row;  // of the step's logits
  };

  void take_in(DraftRequest& request);
  Result<int> read(std::vector<Guesser>& guessers);
  Status guess_on(std::vector<Guesser>& guessers);
  void pick(std::vector<Guesser>& guessers, std::span<float> logits);

  Parts parts_;
  PagePool pool_;
  Scheduler scheduler_;
  GatheredBatch gathered_;
  std::map<std::uint64_t, std::unique_ptr<Text>> texts_;
  bool failed_ = false;
};

// Status: kInvalidArgument where the two read other tokens under the same ids.
Status check_same_tokens(const Model& model, const Model& draft);

}  // namespace pronk
