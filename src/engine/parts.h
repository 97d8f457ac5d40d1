// What an engine is made of, and the limits that follow from its options.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>

#include "engine/capacity.h"
#include "engine/drafter.h"
#include "engine/scheduler.h"
#include "kernels/calibrate.h"
#include "model/runner.h"
#include "pronk/engine.h"
#include "pronk/tokenizer.h"

namespace pronk {

struct EngineParts {
  std::unique_ptr<Runner> runner;  // holds capacity.num_pages pages
  int vocab_size = 0;
  Capacity capacity;
  std::optional<Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;   // none where the runner needs none
  std::unique_ptr<Drafter> drafter;     // none: no speculation
  std::optional<kernels::Peaks> peaks;  // none: steps are not compared with them
  EngineOptions options;
};

// A step serves every running sequence, so no more run than it has tokens.
inline int max_running(const EngineOptions& o) {
  return std::min(o.max_sequences, o.max_batch_tokens);
}

inline SchedulerLimits scheduler_limits(const EngineOptions& o) {
  constexpr int kMaxDraftTokens = 64;  // of a step: bounds its rows of logits
  const int max_draft = std::min(kMaxDraftTokens, kMostDraftTokens * max_running(o));
  return {.max_sequences = max_running(o),
          .max_batch_tokens = o.max_batch_tokens,
          .prefix_cache = o.prefix_cache,
          .max_draft_tokens =
              o.speculate == Speculate::kOff ? 0 : std::min(max_draft, o.max_batch_tokens - 1)};
}

inline int max_logit_rows(const EngineOptions& o) {
  return std::min(max_running(o) + scheduler_limits(o).max_draft_tokens, o.max_batch_tokens);
}

}  // namespace pronk
