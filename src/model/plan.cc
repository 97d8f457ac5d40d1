#include "model/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/system.h"
#include "kernels/isa.h"
#include "model/llama_forward.h"
#include "model/weight_loader.h"
#include "ops/trace_ops.h"

namespace pronk {
namespace {

// `watched`: as under TraceOps, which computes the parts of fused operations one by one. That costs
// the same but takes more memory.
PlanOps count_step(const LlamaConfig& c, const LlamaWeights& weights, const KvShape& shape,
                   int num_threads, const Batch& batch, bool watched = false) {
  PlanOps op(kernels::table().linear, num_threads);
  op.begin_step(static_cast<int>(batch.tokens.size()), c.head_dim, batch.num_prompt_rows);
  const KvCache kv = KvCache::counting(shape);
  if (watched) {
    TraceOps by_parts(op, [](std::string_view, Tensor) {});
    forward(by_parts, c, weights, batch, kv);
  } else {
    forward(op, c, weights, batch, kv);
  }
  return op;
}

// A batch of one sequence's `num_tokens` from `start`, of a prompt or not.
class OneSequence {
 public:
  OneSequence(int start, int num_tokens, int num_logit_rows, bool of_prompt = false)
      : tokens_(static_cast<std::size_t>(num_tokens)),
        positions_(static_cast<std::size_t>(num_tokens)),
        rows_(static_cast<std::size_t>(num_logit_rows), num_tokens - 1),
        sequence_{0, num_tokens, start, {}},
        num_prompt_rows_(of_prompt ? num_tokens : 0) {
    std::iota(positions_.begin(), positions_.end(), start);
  }
  Batch batch() const { return {tokens_, positions_, {&sequence_, 1}, rows_, num_prompt_rows_}; }

 private:
  std::vector<TokenId> tokens_;
  std::vector<int> positions_, rows_;
  BatchSequence sequence_;
  int num_prompt_rows_;
};

// A tenth is left to the rest of the machine.
int context_that_fits(const LlamaConfig& c, std::int64_t bytes, std::int64_t bytes_per_page) {
  const std::int64_t tokens = std::max<std::int64_t>(0, bytes) / bytes_per_page * kKvPageTokens;
  return static_cast<int>(std::min<std::int64_t>(tokens, c.max_context));
}

}  // namespace

Result<KvShape> kv_shape(const LlamaConfig& c, Precision precision, CacheType type) {
  KvShape shape{c.num_layers, c.num_kv_heads, c.head_dim};
  if (precision == Precision::kFp32) {
    shape.type = kernels::KvType::kF32;
  } else if (type == CacheType::kInt8) {
    if (c.head_dim > kernels::kMaxInt8HeadDim)
      return error(Code::kInvalidArgument,
                   fmt::format("int8 cache: heads of {} dimensions, {} is the most; use bf16",
                               c.head_dim, kernels::kMaxInt8HeadDim));
    shape.type = kernels::KvType::kInt8;
  } else if (precision == Precision::kHigh) {
    shape.type = kernels::KvType::kBF16Wide;
  }
  return shape;
}

bool reads_prompts_apart(Precision precision) {
  const auto& kernels = kernels::table().linear.multiply_bf16;
  return precision == Precision::kFast && kernels[static_cast<std::size_t>(DType::kQ4_0)];
}

StepCost step_cost(const LlamaConfig& c, const LlamaWeights& weights, const KvShape& shape,
                   int num_threads, const Batch& batch) {
  return count_step(c, weights, shape, num_threads, batch).cost();
}

std::int64_t step_arena_bytes(const LlamaConfig& c, const LlamaWeights& weights,
                              const KvShape& shape, int num_threads, int max_batch_tokens,
                              int max_logit_rows) {
  const OneSequence largest(0, max_batch_tokens, max_logit_rows);
  return count_step(c, weights, shape, num_threads, largest.batch(), /*watched=*/true)
      .arena_bytes();
}

Result<PlanReport> plan(const ModelSource& source, const PlanOptions& options) {
  const LlamaConfig& c = source.config;
  LlamaWeights weights = plan_weights(source, options.precision);
  const KvShape shape = PRONK_TRY(kv_shape(c, options.precision, options.cache_type));
  const int num_threads = options.num_threads > 0 ? options.num_threads : num_usable_cores();
  PlanReport r;
  r.weight_bytes = resident_bytes(weights);
  r.kv_bytes_per_token = shape.page_bytes() / kKvPageTokens;
  r.arena_bytes = step_arena_bytes(c, weights, shape, num_threads, options.max_batch_tokens,
                                   options.max_logit_rows);
  r.available_bytes = memory_available_bytes();
  const std::int64_t left =
      r.available_bytes / 10 * 9 - r.arena_bytes - (options.weights_loaded ? 0 : r.weight_bytes);
  r.largest_context = context_that_fits(c, left, shape.page_bytes());
  r.context = options.context > 0 ? options.context : r.largest_context;
  r.kv_bytes = (std::int64_t{r.context} + kKvPageTokens - 1) / kKvPageTokens * shape.page_bytes();
  const OneSequence prompt(0, options.max_batch_tokens, 1, reads_prompts_apart(options.precision));
  const OneSequence reply(std::max(0, r.context - 1), 1, 1);
  r.prefill = count_step(c, weights, shape, num_threads, prompt.batch()).cost();
  r.decode = count_step(c, weights, shape, num_threads, reply.batch()).cost();
  return r;
}

}  // namespace pronk
