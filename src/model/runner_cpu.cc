// The Runner on the CPU: forward<CpuOps>, and the checks around it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/system.h"
#include "formats/model_source.h"
#include "kernels/isa.h"
#include "model/llama_forward.h"
#include "model/plan.h"
#include "model/runner.h"
#include "ops/cpu_ops.h"
#include "ops/trace_ops.h"

namespace pronk {
namespace {

kernels::SecondPlane second_plane(Precision p) {
  return p == Precision::kHigh ? kernels::SecondPlane::kHigh : kernels::SecondPlane::kFast;
}

class CpuRunner final : public Runner {
 public:
  CpuRunner(std::shared_ptr<const Model> model, const RunnerOptions& options, int num_threads,
            Arena arena, KvCache kv)
      : model_(std::move(model)),
        options_(options),
        pool_(num_threads),
        arena_(std::move(arena)),
        kv_(std::move(kv)),
        ops_(kernels::table(), pool_, arena_, second_plane(model_->precision())) {}

  Result<std::span<float>> step(const Batch& batch) override {
    PRONK_TRY(check_batch(batch));
    const Tensor logits = run(ops_, batch);
    // What was read of a file that was cut or written over meanwhile may be anything, but before
    // the step is no time to ask.
    PRONK_TRY_IN("forward pass", model_->source().check_intact());
    return std::span<float>(logits.data, static_cast<std::size_t>(logits.size()));
  }
  Status check(const Batch& batch, std::span<const float> logits) override {
    const auto is_nan = [](float logit) { return std::isnan(logit); };
    if (std::none_of(logits.begin(), logits.end(), is_nan)) return Ok{};
    return error(Code::kFailed,
                 fmt::format("forward pass: a logit is NaN, first seen in {}; load with --check to "
                             "find out whether the model's file is damaged",
                             first_nan(batch)));
  }
  void copy_page(int from, int to) override { kv_.copy_page(from, to); }
  StepCost cost(const Batch& batch) const override {
    return step_cost(model_->config(), model_->weights(), kv_.shape(), num_threads(),
                     told_apart(batch));
  }
  bool reads_prompts_apart() const override {
    return pronk::reads_prompts_apart(model_->precision());
  }
  std::string_view isa() const override { return kernels::table().name; }
  int num_threads() const override { return pool_.num_threads(); }

 private:
  // The batch, without the difference between prompts and replies where there is none.
  Batch told_apart(Batch batch) const {
    if (!reads_prompts_apart()) batch.num_prompt_rows = 0;
    return batch;
  }

  template <Ops O>
  Tensor run(O& op, const Batch& batch) {
    ops_.begin_step(static_cast<int>(batch.tokens.size()), model_->config().head_dim,
                    told_apart(batch).num_prompt_rows);
    return forward(op, model_->config(), model_->weights(), batch, kv_);
  }

  // Which value it was: the step again, watched. It stores the same keys and values in the same
  // places.
  std::string first_nan(const Batch& batch) {
    std::string found;
    TraceOps<CpuOps> traced(ops_, [&found](std::string_view name, Tensor value) {
      if (!found.empty()) return;
      for (std::int64_t i = 0; i < value.size(); ++i)
        if (std::isnan(value.data[i])) {
          found = name;
          return;
        }
    });
    run(traced, batch);
    return found.empty() ? "no value twice" : found;
  }

  Status check_batch(const Batch& batch) const {
    const int num_tokens = static_cast<int>(batch.tokens.size());
    PRONK_CHECK(num_tokens > 0 && num_tokens <= options_.max_batch_tokens,
                "a step has 1 to max_batch_tokens tokens");
    PRONK_CHECK(batch.positions.size() == batch.tokens.size(), "every token has a position");
    PRONK_CHECK(batch.num_prompt_rows >= 0 && batch.num_prompt_rows <= num_tokens,
                "rows of prompts are rows of the step");
    PRONK_CHECK(static_cast<int>(batch.logit_rows.size()) <= options_.max_logit_rows,
                "at most max_logit_rows logit rows");
    int row = 0;
    for (const BatchSequence& s : batch.sequences) {
      const int end = s.start + s.num_rows;
      PRONK_CHECK(s.first_row == row && s.num_rows > 0 && s.start >= 0,
                  "sequences follow each other");
      PRONK_CHECK(static_cast<int>(s.pages.size()) * kKvPageTokens >= end,
                  "a sequence's pages cover its tokens");
      for (int i = 0; i * kKvPageTokens < end; ++i) {
        const int page = s.pages[static_cast<std::size_t>(i)];
        PRONK_CHECK(page >= 0 && page < kv_.num_pages(), "a page is one of the cache's");
      }
      row += s.num_rows;
    }
    PRONK_CHECK(row == num_tokens, "sequences cover all rows");
    for (const TokenId token : batch.tokens)
      if (token < 0 || token >= model_->config().vocab_size)
        return error(Code::kInvalidArgument,
                     fmt::format("forward pass: token {} does not exist, the model has 0 to {}",
                                 token, model_->config().vocab_size - 1));
    return Ok{};
  }

  std::shared_ptr<const Model> model_;
  RunnerOptions options_;
  ThreadPool pool_;
  Arena arena_;
  KvCache kv_;
  CpuOps ops_;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_cpu_runner(std::shared_ptr<const Model> model,
                                                const RunnerOptions& options) {
  PRONK_TRY(kernels::check_isa_choice());
  const LlamaConfig& c = model->config();
  const int num_threads = options.num_threads > 0 ? options.num_threads : num_usable_cores();
  const KvShape shape = PRONK_TRY(kv_shape(c, model->precision(), options.cache_type));
  const std::int64_t arena_bytes = step_arena_bytes(
      c, model->weights(), shape, num_threads, options.max_batch_tokens, options.max_logit_rows);
  const std::int64_t kv_bytes = shape.page_bytes() * options.num_kv_pages;
  const std::int64_t available = memory_available_bytes();
  if (kv_bytes + arena_bytes > available)
    return error(Code::kResourceExhausted,
                 fmt::format("start: a cache of {} tokens needs {:.1f} MiB and a step {:.1f} MiB, "
                             "{:.1f} MiB are available; ask for a "
                             "shorter context",
                             std::int64_t{options.num_kv_pages} * kKvPageTokens,
                             static_cast<double>(kv_bytes) / (1 << 20),
                             static_cast<double>(arena_bytes) / (1 << 20),
                             static_cast<double>(available) / (1 << 20)));
  Arena arena = PRONK_TRY_IN("start", Arena::of_bytes(arena_bytes));
  KvCache kv = PRONK_TRY_IN("start", KvCache::create(shape, options.num_kv_pages));
  return std::unique_ptr<Runner>(std::make_unique<CpuRunner>(std::move(model), options, num_threads,
                                                             std::move(arena), std::move(kv)));
}

}  // namespace pronk
