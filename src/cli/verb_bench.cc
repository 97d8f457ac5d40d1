// pronk bench MODEL: how fast this machine reads prompts and writes replies, and of what limit.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/file.h"
#include "base/rng.h"
#include "base/system.h"
#include "cli/bench_speculation.h"
#include "cli/calibrate.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/prompts.h"
#include "cli/signals.h"
#include "cli/timing.h"
#include "cli/verbs.h"
#include "cli/version.h"
#include "formats/llama_config.h"
#include "kernels/isa.h"
#include "model/plan.h"
#include "model/runner.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

struct Setup {
  int num_prompt = 0, num_predict = 0, num_sequences = 1, num_threads = 0;
  int max_batch_tokens = 512;
  std::vector<TokenId> prompt = {};  // empty: random tokens
  int num_tokens() const { return num_prompt + num_predict; }
  int pages_each() const { return (num_tokens() + kKvPageTokens - 1) / kKvPageTokens; }
};

struct Timing {
  double prefill_tps = 0, decode_tps = 0, first_token_ms = 0;
};

// Of sequence `s`: random.
std::vector<TokenId> random_prompt(int num_tokens, int s, int vocab_size) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<std::size_t>(num_tokens));
  for (int i = 0; i < num_tokens; ++i)
    tokens.push_back(static_cast<TokenId>(
        random_bits(static_cast<std::uint64_t>(s), static_cast<std::uint64_t>(i)) %
        static_cast<std::uint64_t>(vocab_size)));
  return tokens;
}

// The sequences of one run: their pages, and the token each goes on with.
class Sequences {
 public:
  Sequences(Runner& runner, const Setup& setup, int vocab_size)
      : runner_(runner), setup_(setup), vocab_size_(vocab_size) {
    pages_.resize(static_cast<std::size_t>(setup.pages_each()) *
                  static_cast<std::size_t>(setup.num_sequences));
    std::iota(pages_.begin(), pages_.end(), 0);
    next_.resize(static_cast<std::size_t>(setup.num_sequences));
  }

  // Reads the prompt into sequence `s`; its next token is the likeliest.
  Status read_prompt(int s) {
    const std::vector<TokenId> tokens =
        setup_.prompt.empty() ? random_prompt(setup_.num_prompt, s, vocab_size_) : setup_.prompt;
    for (int start = 0; start < setup_.num_prompt; start += setup_.max_batch_tokens) {
      const int n = std::min(setup_.max_batch_tokens, setup_.num_prompt - start);
      std::vector<int> positions(static_cast<std::size_t>(n));
      std::iota(positions.begin(), positions.end(), start);
      const BatchSequence sequence{0, n, start, pages_of(s)};
      const int last = n - 1;
      const bool whole = start + n == setup_.num_prompt;
      const Batch batch = {
          std::span(tokens).subspan(static_cast<std::size_t>(start), positions.size()),
          positions,
          {&sequence, 1},
          whole ? std::span(&last, 1) : std::span<const int>()};
      const std::span<float> logits = PRONK_TRY(runner_.step(batch));
      PRONK_TRY(runner_.check(batch, logits));
      if (whole) next_[static_cast<std::size_t>(s)] = likeliest(logits);
    }
    return Ok{};
  }

  // One token more for every sequence, all in one step.
  Status advance(int position) {
    const std::vector<int> positions(next_.size(), position);
    std::vector<int> rows(next_.size());
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<BatchSequence> sequences;
    sequences.reserve(next_.size());
    for (int s = 0; s < setup_.num_sequences; ++s)
      sequences.push_back({s, 1, position, pages_of(s)});
    const Batch batch{next_, positions, sequences, rows};
    const std::span<float> logits = PRONK_TRY(runner_.step(batch));
    PRONK_TRY(runner_.check(batch, logits));
    const auto v = static_cast<std::size_t>(vocab_size_);
    for (std::size_t s = 0; s < next_.size(); ++s) next_[s] = likeliest(logits.subspan(s * v, v));
    return Ok{};
  }

 private:
  std::span<const int> pages_of(int s) const {
    const auto n = static_cast<std::size_t>(setup_.pages_each());
    return std::span(pages_).subspan(static_cast<std::size_t>(s) * n, n);
  }
  static TokenId likeliest(std::span<const float> row) {
    return static_cast<TokenId>(
        kernels::table().vector.argmax(row.data(), static_cast<std::int64_t>(row.size())));
  }

  Runner& runner_;
  const Setup& setup_;
  const int vocab_size_;
  std::vector<int> pages_;
  std::vector<TokenId> next_;
};

Result<Timing> time_once(Runner& runner, const Setup& setup, int vocab_size) {
  Sequences sequences(runner, setup, vocab_size);
  Timing timing;
  Clock::time_point start = Clock::now();
  for (int s = 0; s < setup.num_sequences; ++s) {
    PRONK_TRY(sequences.read_prompt(s));
    if (s == 0) timing.first_token_ms = seconds_since(start) * 1e3;
    if (noted_signal()) return error(Code::kCancelled, "bench: stopped");
  }
  timing.prefill_tps = setup.num_prompt * setup.num_sequences / seconds_since(start);
  start = Clock::now();
  for (int i = 0; i < setup.num_predict; ++i) {
    PRONK_TRY(sequences.advance(setup.num_prompt + i));
    if (noted_signal()) return error(Code::kCancelled, "bench: stopped");
  }
  if (setup.num_predict > 0)
    timing.decode_tps = setup.num_predict * setup.num_sequences / seconds_since(start);
  return timing;
}

Result<std::vector<Timing>> time_all(Console& console, Runner& runner, const Setup& setup,
                                     int vocab_size, int repetitions) {
  Progress progress(console, "bench", ProgressUnit::kTokens);
  std::vector<Timing> timings;
  PRONK_TRY(time_once(runner, setup, vocab_size));  // the first run warms caches and clocks
  for (int i = 0; i < repetitions; ++i) {
    timings.push_back(PRONK_TRY(time_once(runner, setup, vocab_size)));
    const std::int64_t each = std::int64_t{setup.num_tokens()} * setup.num_sequences;
    progress.update((i + 1) * each, repetitions * each);
  }
  return timings;
}

double median_of(const std::vector<Timing>& timings, double Timing::*member) {
  std::vector<double> values;
  values.reserve(timings.size());
  for (const Timing& timing : timings) values.push_back(timing.*member);
  return median(std::move(values));
}

struct Limits {
  double prefill_tps = 0, decode_tps = 0;
  std::string_view prefill_by, decode_by;  // Bound::by
};

// The least time for the prompt and for a decode step of all sequences together, at the middle of
// the reply; in tokens/s.
Result<Limits> limits_of(const ModelSource& source, Precision precision, CacheType cache_type,
                         const Setup& setup, const kernels::Peaks& machine) {
  const kernels::ActivationKind kind = main_activation_kind(source, precision);
  const int step = std::min(setup.num_prompt, setup.max_batch_tokens);
  const PlanReport report =
      PRONK_TRY(plan(source, {.precision = precision,
                              .cache_type = cache_type,
                              .num_threads = setup.num_threads,
                              .max_batch_tokens = step,
                              .context = setup.num_prompt + setup.num_predict / 2 + 1,
                              .weights_loaded = true}));
  StepCost together = report.decode;
  together.flops *= setup.num_sequences;
  together.kv_bytes *= setup.num_sequences;
  const Bound prefill = bound_of(report.prefill, kind, machine);
  const Bound decode = bound_of(together, kind, machine);
  return Limits{.prefill_tps = step / prefill.seconds,
                .decode_tps = setup.num_sequences / decode.seconds,
                .prefill_by = prefill.by,
                .decode_by = decode.by};
}

json::array to_json(const std::vector<Timing>& timings, double Timing::*member) {
  json::array array;
  for (const Timing& timing : timings) array.push_back(timing.*member);
  return array;
}

struct BenchReport {
  std::string model, isa;
  Setup setup;
  Precision precision = Precision::kFast;
  CacheType cache_type = CacheType::kBF16;
  double load_ms = 0;
  std::int64_t peak_bytes = 0, weight_bytes = 0;
  std::vector<Timing> timings;
  Timing median;
  Limits limit;
  std::optional<SpeculationTiming> speculation;
};

double percent(double value, double limit) { return limit > 0 ? 100 * value / limit : 0; }

json::object to_json(const SpeculationTiming& s) {
  return {{"decode_tps", s.decode_tps},
          {"plain_decode_tps", s.plain_tps},
          {"gain", s.gain()},
          {"drafted_tokens", s.num_drafted},
          {"accepted_tokens", s.num_accepted}};
}

json::object to_json(const BenchReport& r) {
  constexpr const char* kPrecisions[] = {"fp32", "high", "fast"};
  json::object object = {
      {"model", r.model},
      {"commit", commit_string()},
      {"cpu", cpu_name()},
      {"isa", r.isa},
      {"threads", r.setup.num_threads},
      {"precision", kPrecisions[static_cast<int>(r.precision)]},
      {"kv", r.precision == Precision::kFp32    ? "f32"
             : r.cache_type == CacheType::kInt8 ? "int8"
                                                : "bf16"},
      {"prompt_tokens", r.setup.num_prompt},
      {"predicted_tokens", r.setup.num_predict},
      {"sequences", r.setup.num_sequences},
      {"max_batch_tokens", r.setup.max_batch_tokens},
      {"prefill_tps", r.median.prefill_tps},
      {"decode_tps", r.median.decode_tps},
      {"first_token_ms", r.median.first_token_ms},
      {"load_ms", r.load_ms},
      {"peak_bytes", r.peak_bytes},
      {"weight_bytes", r.weight_bytes},
      {"prefill_percent_of_limit", percent(r.median.prefill_tps, r.limit.prefill_tps)},
      {"decode_percent_of_limit", percent(r.median.decode_tps, r.limit.decode_tps)},
      {"prefill_limited_by", r.limit.prefill_by},
      {"decode_limited_by", r.limit.decode_by},
      {"repetitions", r.timings.size()},
      {"prefill_tps_all", to_json(r.timings, &Timing::prefill_tps)},
      {"decode_tps_all", to_json(r.timings, &Timing::decode_tps)}};
  if (r.speculation) object["speculation"] = to_json(*r.speculation);
  return object;
}

std::string against_limit(double tps, double limit, std::string_view by, int num_tokens,
                          int num_sequences) {
  return fmt::format("{:.1f} tokens/s, {:.0f} % of the {} limit ({} tokens x {})", tps,
                     percent(tps, limit), by, num_tokens, num_sequences);
}

std::string for_people(const BenchReport& r) {
  std::vector<std::vector<std::string>> rows = {
      {"model", r.model},
      {"machine", fmt::format("{}, {} threads, {}", cpu_name(), r.setup.num_threads, r.isa)},
      {"prompt", against_limit(r.median.prefill_tps, r.limit.prefill_tps, r.limit.prefill_by,
                               r.setup.num_prompt, r.setup.num_sequences)},
      {"reply", against_limit(r.median.decode_tps, r.limit.decode_tps, r.limit.decode_by,
                              r.setup.num_predict, r.setup.num_sequences)}};
  if (const auto& s = r.speculation)
    rows.push_back(
        {"speculation",
         fmt::format("{:.1f} tokens/s, {:.2f} x {:.1f} without; {} of {} guesses true",
                     s->decode_tps, s->gain(), s->plain_tps, s->num_accepted, s->num_drafted)});
  rows.push_back({"first token", fmt::format("{:.1f} ms", r.median.first_token_ms)});
  rows.push_back({"load", fmt::format("{:.0f} ms", r.load_ms)});
  rows.push_back({"memory", fmt::format("{} at most, {} of weights", format_bytes(r.peak_bytes),
                                        format_bytes(r.weight_bytes))});
  rows.push_back({"commit", commit_string()});
  return format_table(rows);
}

// The engine of --speculate: as much context as the run needs.
EngineOptions engine_options(const Setup& setup, CacheType cache_type) {
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
  Setup setup = {.num_prompt = static_cast<int>(options.integer("prompt-tokens")),
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
    setup.prompt = PRONK_TRY(raw_prompt(*model, text));
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
  report.timings = PRONK_TRY(time_all(context.console, *runner, setup, config.vocab_size,
                                      static_cast<int>(options.integer("repetitions"))));
  report.peak_bytes = memory_peak_bytes();
  report.median = {.prefill_tps = median_of(report.timings, &Timing::prefill_tps),
                   .decode_tps = median_of(report.timings, &Timing::decode_tps),
                   .first_token_ms = median_of(report.timings, &Timing::first_token_ms)};
  report.limit = PRONK_TRY(limits_of(model->source(), report.precision, report.cache_type, setup,
                                     measure_machine(setup.num_threads)));
  EngineOptions engine = engine_options(setup, report.cache_type);
  PRONK_TRY(apply_speculate(context, &engine));
  if (engine.speculate != Speculate::kOff && setup.num_predict > 1)
    report.speculation = PRONK_TRY(time_speculation(
        model, engine,
        setup.prompt.empty() ? random_prompt(setup.num_prompt, 0, config.vocab_size) : setup.prompt,
        setup.num_predict, static_cast<int>(options.integer("repetitions"))));
  context.console.print(options.flag("json") ? json::serialize(to_json(report)) + "\n"
                                             : for_people(report));
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
                 max_batch_tokens_option("512"),
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
