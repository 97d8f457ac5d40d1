// What a model will take from this machine, before anything is loaded: exact bytes, and the work of
// a step.
#pragma once
#include <cstdint>

#include "formats/model_source.h"
#include "ops/kv_cache.h"
#include "ops/plan_ops.h"
#include "pronk/model.h"

namespace pronk {

struct LlamaWeights;

struct PlanOptions {
  Precision precision = Precision::kFast;
  CacheType cache_type = CacheType::kBF16;
  int num_threads = 0;         // 0: the cores this process may use
  int max_batch_tokens = 256;  // as in RunnerOptions
  int max_logit_rows = 64;
  int context = 0;  // tokens of a sequence; 0: as many as the model allows and the memory holds
  bool weights_loaded = false;  // they are part of what is no longer available
};

struct PlanReport {
  std::int64_t weight_bytes = 0;        // resident once loaded
  std::int64_t kv_bytes_per_token = 0;  // all layers
  std::int64_t arena_bytes = 0;         // a step's values
  std::int64_t available_bytes = 0;     // what the machine can give now
  int largest_context = 0;    // that fits one sequence; at most the model's; 0: not even a page
  int context = 0;            // asked for, or the largest
  std::int64_t kv_bytes = 0;  // of one sequence of `context` tokens
  StepCost prefill;           // one step of max_batch_tokens from position 0, one row of logits
  StepCost decode;            // one token after `context` - 1 others

  std::int64_t total_bytes() const { return weight_bytes + kv_bytes + arena_bytes; }
  bool fits() const { return context > 0 && context <= largest_context; }
};

// Errors: as kv_shape.
Result<PlanReport> plan(const ModelSource& source, const PlanOptions& options = {});

// The parts a Runner is made with.

// Errors: kInvalidArgument when an int8 cache cannot hold such heads.
Result<KvShape> kv_shape(const LlamaConfig& config, Precision precision,
                         CacheType type = CacheType::kBF16);
StepCost step_cost(const LlamaConfig& config, const LlamaWeights& weights, const KvShape& shape,
                   int num_threads, const Batch& batch);
// Whether a runner of this precision tells rows of prompts apart (Runner::reads_prompts_apart): in
// kFast, on CPUs with tiles of bf16.
bool reads_prompts_apart(Precision precision);
std::int64_t step_arena_bytes(const LlamaConfig& config, const LlamaWeights& weights,
                              const KvShape& shape, int num_threads, int max_batch_tokens,
                              int max_logit_rows);

}  // namespace pronk
