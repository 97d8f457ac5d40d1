// One step of the model on some backend: the only virtual call on the way to a token.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ops/batch.h"
#include "ops/plan_ops.h"
#include "pronk/model.h"
#include "pronk/result.h"

namespace pronk {

struct RunnerOptions {
  int num_threads = 0;         // 0: the cores this process may use
  int num_kv_pages = 0;        // pages of kKvPageTokens tokens, for all sequences together
  int max_batch_tokens = 256;  // largest T of a step; sizes the arena
  int max_logit_rows = 64;     // largest number of logit rows of a step
  CacheType cache_type = CacheType::kBF16;
};

// Called by one thread at a time (the engine's). Owns the KV cache and the step's arena: a step
// allocates nothing.
class Runner {
 public:
  virtual ~Runner() = default;
  // Float32 logits [logit_rows, V], row by row, the caller's to change until the next step. A
  // sequence whose computation went wrong has NaNs in its own rows only. Errors: kCorruptData when
  // the model's file changed under it.
  virtual Result<std::span<float>> step(const Batch& batch) = 0;
  // kFailed when one of these rows of the last step's logits holds a NaN. The batch is computed
  // again, watched, to say where it began.
  virtual Status check(const Batch& batch, std::span<const float> logits) = 0;
  // Page `to` of the KV cache becomes what `from` is.
  virtual void copy_page(int from, int to) = 0;
  // What a step of this batch computes and reads.
  virtual StepCost cost(const Batch& batch) const = 0;
  // Whether Batch::num_prompt_rows makes a difference. Where it does, what is in the cache of a
  // prompt's token is not what would be there of a reply's.
  virtual bool reads_prompts_apart() const = 0;
  virtual std::string_view isa() const = 0;  // of the kernels in use: "avx512_vnni_bf16"
  virtual int num_threads() const = 0;
};

// Errors: as kv_shape; kResourceExhausted when weights, cache and arena do not fit.
Result<std::unique_ptr<Runner>> make_cpu_runner(std::shared_ptr<const Model> model,
                                                const RunnerOptions& options);

}  // namespace pronk
