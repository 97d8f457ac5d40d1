// pronk bench MODEL: how fast this machine reads prompts and writes replies, and of what limit.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/system.h"
#include "cli/bench_report.h"
#include "cli/models.h"
#include "cli/prompts.h"
#include "cli/signals.h"
#include "cli/timing.h"
#include "cli/verbs.h"
#include "formats/llama_config.h"
#include "model/limits.h"

namespace pronk::cli {
namespace {

// The engine of --speculate: as much context as the run needs.
EngineOptions engine_options(const BenchSetup& setup, CacheType cache_type) {
  EngineOptions options;
  options.num_threads = setup.num_threads;
  options.context = setup.num_tokens();
  options.max_sequences = 1;
  options.max_batch_tokens = setup.max_batch_tokens;
  options.cache_type = cache_type;
  return options;
}

Status run(Context& context) {
  const Options& options = context.options;
  const int asked = static_cast<int>(options.integer("threads"));
  BenchSetup setup = {.num_prompt = static_cast<int>(options.integer("prompt-tokens")),
                      .num_predict = static_cast<int>(options.integer("predict")),
                      .num_sequences = static_cast<int>(options.integer("batch")),
                      .num_threads = asked > 0 ? asked : num_usable_cores(),
                      .max_batch_tokens = static_cast<int>(options.integer("max-batch-tokens"))};
  BenchReport report;
  report.model = options.argument(0);
  report.precision = precision_of(options);
  report.cache_type = PRONK_TRY(cache_type_of(options));
  const Clock::time_point start = Clock::now();
  const std::shared_ptr<const Model> model = PRONK_TRY(load_model(context, report.model));
  report.load_ms = seconds_since(start) * 1e3;
  report.weight_bytes = model->weight_bytes();
  if (const auto file = options.find_text("prompt-file")) {
    const std::string text = PRONK_TRY(read_file(*file));
    setup.prompt = PRONK_TRY(raw_prompt(context.console, *model, text));
    setup.num_prompt = static_cast<int>(setup.prompt.size());
  }
  report.setup = setup;
  const LlamaConfig& config = model->config();
  if (setup.num_tokens() > config.max_context)
    return error(Code::kInvalidArgument,
                 fmt::format("bench: {} + {} tokens, the model's context is {}; lower -p or -n",
                             setup.num_prompt, setup.num_predict, config.max_context));
  const InterruptScope interruptible;
  const std::unique_ptr<Runner> runner = PRONK_TRY(make_cpu_runner(
      model, {.num_threads = setup.num_threads,
              .num_kv_pages = setup.pages_each() * setup.num_sequences,
              .max_batch_tokens = std::max(setup.max_batch_tokens, setup.num_sequences),
              .max_logit_rows = setup.num_sequences,
              .cache_type = report.cache_type}));
  report.isa = runner->isa();
  report.runs = PRONK_TRY(run_bench(context.console, *runner, setup, config.vocab_size,
                                    static_cast<int>(options.integer("repetitions"))));
  report.peak_bytes = memory_peak_bytes();
  const kernels::Peaks peaks = PRONK_TRY(measure_machine(setup.num_threads, report.weight_bytes));
  report.prefill = prefill_stats(report.runs, setup, peaks);
  report.decode = decode_stats(report.runs, setup, peaks);
  EngineOptions engine = engine_options(setup, report.cache_type);
  PRONK_TRY(apply_speculate(context, &engine));
  if (engine.speculate != Speculate::kOff && setup.num_predict > 1)
    report.speculation = PRONK_TRY(time_speculation(
        model, engine,
        setup.prompt.empty() ? random_prompt(setup.num_prompt, 0, config.vocab_size) : setup.prompt,
        setup.num_predict, static_cast<int>(options.integer("repetitions"))));
  if (options.flag("json"))
    context.console.print_json(to_json(report));
  else
    context.console.print(for_people(report));
  return Ok{};
}

}  // namespace

const Verb kBenchVerb = {
    .name = "bench",
    .alias = {},
    .group = "Machine",
    .summary = "measure prompt and reply speed, load time and memory",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Measuring",
                {{.name = "prompt-tokens",
                  .letter = 'p',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "512",
                  .help = "tokens of the prompt",
                  .min = 1},
                 {.name = "prompt-file",
                  .kind = ValueKind::kText,
                  .value = "FILE",
                  .help = "a text as the prompt, instead of random tokens"},
                 speculate_option(),
                 {.name = "predict",
                  .letter = 'n',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "128",
                  .help = "tokens of the reply",
                  .min = 0},
                 {.name = "batch",
                  .letter = 'b',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "1",
                  .help = "sequences decoded together",
                  .min = 1,
                  .max = 512},
                 max_batch_tokens_option("256"),
                 {.name = "repetitions",
                  .letter = 'r',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "3",
                  .help = "runs, of which medians are shown",
                  .min = 1,
                  .max = 1000},
                 {.name = "json", .help = "one JSON object"}}},
               compute_options()},
    .notes =
        "After one run to warm up. The limit is what the machine's memory or multipliers\n"
        "allow, measured at the end. With --speculate: also what guessing gains.",
    .run = run,
};

}  // namespace pronk::cli
