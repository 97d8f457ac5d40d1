// A step's plan as the runner wants it.
#pragma once
#include <vector>

#include "engine/scheduler.h"
#include "ops/batch.h"

namespace pronk {

// Owns what its batch() points into; reused from step to step.
class GatheredBatch {
 public:
  // Logits are asked for the last token of every share that completes its sequence, in the order of
  // the shares. Those that read a prompt are the first.
  void gather(std::span<const Share> shares);
  Batch batch() const { return {tokens_, positions_, sequences_, logit_rows_, num_prompt_rows_}; }

 private:
  std::vector<TokenId> tokens_;
  std::vector<int> positions_;
  std::vector<BatchSequence> sequences_;
  std::vector<int> logit_rows_;
  int num_prompt_rows_ = 0;
};

}  // namespace pronk
