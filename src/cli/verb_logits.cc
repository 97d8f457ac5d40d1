// pronk logits MODEL --ids LIST --out FILE: the model's raw scores, for comparisons and debugging.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/array_file.h"
#include "cli/io.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/prompts.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "formats/llama_config.h"
#include "model/runner.h"

namespace pronk::cli {
namespace {

// Steps through the ids, rows_at_once at a time, and writes every position's logits.
Status write_logits(Console& console, Runner& runner, std::span<const TokenId> ids,
                    int rows_at_once, ArrayFile& file) {
  const int n = static_cast<int>(ids.size());
  std::vector<int> pages(static_cast<std::size_t>((n + kKvPageTokens - 1) / kKvPageTokens));
  std::iota(pages.begin(), pages.end(), 0);
  Progress progress(console, "logits", ProgressUnit::kTokens);
  for (int start = 0; start < n; start += rows_at_once) {
    if (noted_signal()) return error(Code::kCancelled, "logits: stopped");
    const int rows = std::min(rows_at_once, n - start);
    std::vector<int> positions(static_cast<std::size_t>(rows)), logit_rows(positions.size());
    std::iota(positions.begin(), positions.end(), start);
    std::iota(logit_rows.begin(), logit_rows.end(), 0);
    const BatchSequence sequence = {
        .first_row = 0, .num_rows = rows, .start = start, .pages = pages};
    const Batch batch = {
        .tokens = ids.subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(rows)),
        .positions = positions,
        .sequences = {&sequence, 1},
        .logit_rows = logit_rows,
        .num_prompt_rows = rows};
    const std::span<const float> logits = PRONK_TRY(runner.step(batch));
    PRONK_TRY(runner.check(batch, logits));
    PRONK_TRY(file.write(logits));
    progress.update(start + rows, n);
  }
  return Ok{};
}

Result<std::vector<TokenId>> ids_asked_for(Context& context, const Model& model) {
  const Options& options = context.options;
  const std::optional<std::string> ids = options.find_text("ids");
  const std::optional<std::string> prompt = options.find_text("prompt");
  if (ids.has_value() == prompt.has_value())
    return error(Code::kInvalidArgument, "logits: needs either --ids LIST or --prompt TEXT");
  if (ids) return parse_ids(*ids);
  return raw_prompt(context.console, model, *prompt);
}

Status run(Context& context) {
  const Options& options = context.options;
  const std::optional<std::string> out = options.find_text("out");
  if (!out)
    return error(Code::kInvalidArgument, "logits: --out FILE.npy or FILE.safetensors is missing");
  const CacheType cache_type = PRONK_TRY(cache_type_of(options));
  const std::shared_ptr<const Model> model = PRONK_TRY(
      load_model(context, options.argument(0), IfMissing::kFail, {.pack_on_second_use = true}));
  const LlamaConfig& config = model->config();
  const std::vector<TokenId> ids = PRONK_TRY(ids_asked_for(context, *model));
  if (ids.empty()) return error(Code::kInvalidArgument, "logits: no tokens; give at least one id");
  PRONK_TRY_IN("logits", check_ids(ids, config.vocab_size));
  const auto n = static_cast<std::int64_t>(ids.size());
  if (n > config.max_context)
    return error(Code::kResourceExhausted,
                 fmt::format("logits: {} tokens, the model's context is {}; give fewer", n,
                             config.max_context));
  const int rows_at_once = static_cast<int>(std::min(n, options.integer("max-batch-tokens")));
  const InterruptScope interruptible;
  ArrayFile file = PRONK_TRY(ArrayFile::create(*out, "logits", n, config.vocab_size));
  const std::unique_ptr<Runner> runner = PRONK_TRY(make_cpu_runner(
      model, {.num_threads = static_cast<int>(options.integer("threads")),
              .num_kv_pages = static_cast<int>((n + kKvPageTokens - 1) / kKvPageTokens),
              .max_batch_tokens = rows_at_once,
              .max_logit_rows = rows_at_once,
              .cache_type = cache_type}));
  PRONK_TRY(write_logits(context.console, *runner, ids, rows_at_once, file));
  PRONK_TRY(file.commit());
  context.console.note(fmt::format("{}: float32 [{}, {}]", *out, n, config.vocab_size));
  return Ok{};
}

}  // namespace

const Verb kLogitsVerb = {
    .name = "logits",
    .alias = {},
    .group = "Text",
    .summary = "write the logits of every position of a prompt",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Input",
                {{.name = "ids",
                  .kind = ValueKind::kText,
                  .value = "LIST",
                  .help = "token ids, such as \"1,2,3\""},
                 {.name = "prompt",
                  .letter = 'p',
                  .kind = ValueKind::kText,
                  .value = "TEXT",
                  .help = "a text, read as run --raw reads it"},
                 max_batch_tokens_option("64")}},
               {"Output",
                {{.name = "out",
                  .letter = 'o',
                  .kind = ValueKind::kFile,
                  .value = "FILE",
                  .help = "FILE.npy or FILE.safetensors: float32 [positions, vocabulary]"}}},
               compute_options()},
    .notes = {},
    .run = run,
};

}  // namespace pronk::cli
