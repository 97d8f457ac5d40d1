// What guessing gains or costs: the same replies by two engines, one that guesses and one that does
// not, in turns.
#pragma once
#include <memory>
#include <vector>

#include "pronk/engine.h"

namespace pronk::cli {

struct SpeculationTiming {
  double decode_tps = 0, plain_tps = 0;  // medians
  std::int64_t num_drafted = 0, num_accepted = 0;

  double gain() const { return plain_tps > 0 ? decode_tps / plain_tps : 0; }
};

// `num_predict` greedy tokens after the prompt, `repetitions` times each way after one to warm up;
// what a policy learns in one it knows in the next, as in a server. Errors: as Engine::start and
// submit; kFailed when a token differs.
Result<SpeculationTiming> time_speculation(const std::shared_ptr<const Model>& model,
                                           const EngineOptions& options,
                                           const std::vector<TokenId>& prompt, int num_predict,
                                           int repetitions);

}  // namespace pronk::cli
