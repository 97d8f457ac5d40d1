// From a model and options to the parts of an engine: what the memory is divided into.
#include <fmt/format.h>

#include <algorithm>

#include "base/system.h"
#include "engine/model_drafter.h"
#include "engine/ngram_drafter.h"
#include "engine/parts.h"
#include "formats/llama_config.h"
#include "model/limits.h"
#include "model/plan.h"

namespace pronk {
namespace {

Status check_options(const EngineOptions& o) {
  const auto refuse = [](const char* name, int value, int least) {
    return error(Code::kInvalidArgument,
                 fmt::format("start: {} is {}, must be {} or more", name, value, least));
  };
  if (o.num_threads < 0) return refuse("num_threads", o.num_threads, 0);
  if (o.context < 0) return refuse("context", o.context, 0);
  if (o.max_sequences < 1) return refuse("max_sequences", o.max_sequences, 1);
  if (o.max_batch_tokens < 1) return refuse("max_batch_tokens", o.max_batch_tokens, 1);
  if (o.max_waiting < 0) return refuse("max_waiting", o.max_waiting, 0);
  if (o.speculate == Speculate::kDraftModel && !o.draft_model)
    return error(Code::kInvalidArgument, "start: speculate by a draft model: none was given");
  return Ok{};
}

// What one model takes beside its weights, and for those that are not packed yet.
struct Needs {
  std::int64_t page_bytes = 0, other_bytes = 0;
};

Result<Needs> needs_of(const Model& model, const RunnerOptions& options) {
  const KvShape shape = PRONK_TRY(kv_shape(model.config(), model.precision(), options.cache_type));
  return Needs{shape.page_bytes(),
               step_arena_bytes(model.config(), model.weights(), shape, options.num_threads,
                                options.max_batch_tokens, options.max_logit_rows) +
                   model.bytes_to_pack()};
}

Result<std::unique_ptr<Drafter>> make_model_drafter(const Model& model,
                                                    const std::shared_ptr<const Model>& draft,
                                                    const RunnerOptions& runner,
                                                    const EngineParts& parts) {
  return std::unique_ptr<Drafter>(std::make_unique<ModelDrafter>(
      ModelDrafter::Parts{.runner = PRONK_TRY_IN("draft model", make_cpu_runner(draft, runner)),
                          .num_pages = parts.capacity.num_pages,
                          .context = std::min(parts.capacity.context, draft->config().max_context),
                          .vocab_size = draft->config().vocab_size,
                          .expected_cost = parts.options.speculate_always
                                               ? 0
                                               : static_cast<double>(draft->weight_bytes()) /
                                                     static_cast<double>(model.weight_bytes()),
                          .limits = scheduler_limits(parts.options)}));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::start(std::shared_ptr<const Model> model,
                                              const EngineOptions& options) {
  PRONK_TRY(check_options(options));
  const std::shared_ptr<const Model> draft =
      options.speculate == Speculate::kDraftModel ? options.draft_model : nullptr;
  if (draft) PRONK_TRY(check_same_tokens(*model, *draft));
  RunnerOptions runner{
      .num_threads = options.num_threads > 0 ? options.num_threads : num_usable_cores(),
      .max_batch_tokens = options.max_batch_tokens,
      .max_logit_rows = max_logit_rows(options),
      .cache_type = options.cache_type};
  const Needs needs = PRONK_TRY(needs_of(*model, runner));
  Needs draft_needs;
  if (draft) draft_needs = PRONK_TRY_IN("draft model", needs_of(*draft, runner));
  // A tenth of the memory is left to whoever else lives here.
  const CapacityFacts facts{.model_context = model->config().max_context,
                            .page_bytes = needs.page_bytes + draft_needs.page_bytes,
                            .available_bytes = memory_available_bytes() / 10 * 9 -
                                               needs.other_bytes - draft_needs.other_bytes};
  EngineParts parts;
  parts.options = options;
  parts.capacity = PRONK_TRY(choose_capacity(facts, options));
  runner.num_kv_pages = parts.capacity.num_pages;
  parts.runner = PRONK_TRY(make_cpu_runner(model, runner));
  if (options.speculate == Speculate::kNgram) parts.drafter = std::make_unique<NgramDrafter>();
  if (draft) parts.drafter = PRONK_TRY(make_model_drafter(*model, draft, runner, parts));
  if (options.measure_limits)
    parts.peaks = PRONK_TRY_IN("start", measure_machine(runner.num_threads, model->weight_bytes()));
  parts.vocab_size = model->config().vocab_size;
  if (model->has_tokenizer()) parts.tokenizer = model->tokenizer();
  parts.model = std::move(model);
  return start_with(std::move(parts));
}

}  // namespace pronk
