// pronk plan MODEL: what a model will take from this machine, before it is loaded.
#include <fmt/format.h>

#include "base/system.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "formats/model_source.h"
#include "kernels/isa.h"
#include "model/limits.h"
#include "model/plan.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

// Of the machine's limits, what whole models reached (docs/kernels.md, "Shares of the limits"): an
// expectation, not a bound.
struct Shares {
  double prefill, decode;
};

Shares usual_shares(std::string_view isa, kernels::ActivationKind kind) {
  if (isa == "avx512_amx" && kind == kernels::ActivationKind::kBF16) return {0.15, 0.65};
  if (isa == "avx512_amx" && kind == kernels::ActivationKind::kInt8) return {0.03, 0.65};
  if (isa.starts_with("avx512") && kind == kernels::ActivationKind::kBF16) return {0.75, 0.7};
  if (isa.starts_with("avx512") && kind == kernels::ActivationKind::kInt8) return {0.45, 0.7};
  if (isa.starts_with("avx512")) return {0.3, 0.6};
  return {0.45, 0.55};
}

struct Expectation {
  double prefill_tps = 0, decode_tps = 0;
};

Expectation expect(const PlanReport& report, int num_prefill, const kernels::Peaks& limits) {
  const Shares shares = usual_shares(kernels::table().name, main_kind(report.prefill));
  return {.prefill_tps = shares.prefill * num_prefill / bound_of(report.prefill, limits).seconds,
          .decode_tps = shares.decode / bound_of(report.decode, limits).seconds};
}

json::object to_json(const PlanReport& r, const kernels::Peaks& limits, const Expectation& e) {
  return {{"weight_bytes", r.weight_bytes},
          {"kv_bytes", r.kv_bytes},
          {"kv_bytes_per_token", r.kv_bytes_per_token},
          {"arena_bytes", r.arena_bytes},
          {"total_bytes", r.total_bytes()},
          {"available_bytes", r.available_bytes},
          {"context", r.context},
          {"largest_context", r.largest_context},
          {"fits", r.fits()},
          {"isa", kernels::table().name},
          {"prefill_tps", e.prefill_tps},
          {"decode_tps", e.decode_tps},
          {"read_bytes_per_s", limits.read_bytes_per_s},
          {"int8_ops_per_s", limits.int8_ops_per_s},
          {"bf16_ops_per_s", limits.bf16_ops_per_s},
          {"f32_ops_per_s", limits.f32_ops_per_s}};
}

std::string for_people(const Console& console, const PlanReport& r, const kernels::Peaks& limits,
                       const Expectation& e, int num_prefill) {
  const std::vector<std::vector<std::string>> rows = {
      {"weights", format_bytes(r.weight_bytes)},
      {"KV cache", fmt::format("{}, {} tokens of {} each", format_bytes(r.kv_bytes), r.context,
                               format_bytes(r.kv_bytes_per_token))},
      {"step", format_bytes(r.arena_bytes)},
      {"together", format_bytes(r.total_bytes())},
      {"available", format_bytes(r.available_bytes)},
      {"context", fmt::format("{} tokens fit", r.largest_context)},
      {"machine", fmt::format("{}, reads {}/s, {:.2f} T int8, {:.2f} T float32 operations/s",
                              kernels::table().name,
                              format_bytes(static_cast<std::int64_t>(limits.read_bytes_per_s)),
                              limits.int8_ops_per_s / 1e12, limits.f32_ops_per_s / 1e12)},
      {"prompt", fmt::format("about {:.0f} tokens/s for the first {}", e.prefill_tps, num_prefill)},
      {"reply", fmt::format("about {:.1f} tokens/s at the end of {} tokens of context",
                            e.decode_tps, r.context)}};
  return format_table(rows) +
         (r.fits() ? console.paint(Style::kGreen, "it fits")
                   : console.paint(Style::kYellow, "it does not fit")) +
         "\n";
}

Status run(Context& context) {
  const Options& options = context.options;
  const std::filesystem::path path = PRONK_TRY(find_model(context.console, options.argument(0)));
  const std::shared_ptr<const ModelSource> source = PRONK_TRY(read_model(path));
  const int asked = static_cast<int>(options.integer("threads"));
  PlanOptions plan_options;
  plan_options.precision = precision_of(options);
  plan_options.cache_type = PRONK_TRY(cache_type_of(options));
  plan_options.num_threads = asked > 0 ? asked : num_usable_cores();
  plan_options.context = static_cast<int>(options.integer("ctx-size"));
  const PlanReport report = PRONK_TRY(plan(*source, plan_options));
  const kernels::Peaks limits =
      PRONK_TRY(measure_machine(plan_options.num_threads, report.decode.bytes()));
  const Expectation expectation = expect(report, plan_options.max_batch_tokens, limits);
  if (options.flag("json"))
    context.console.print_json(to_json(report, limits, expectation));
  else
    context.console.print(
        for_people(context.console, report, limits, expectation, plan_options.max_batch_tokens));
  return Ok{};
}

}  // namespace

const Verb kPlanVerb = {
    .name = "plan",
    .alias = {},
    .group = "Machine",
    .summary = "say what a model takes and how fast it will be",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Planning",
                {{.name = "ctx-size",
                  .letter = 'c',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "0",
                  .help = "context; 0: the largest that fits",
                  .min = 0},
                 {.name = "json", .help = "as a JSON object"}}},
               compute_options()},
    .notes = "Reads the file's header, not its weights, and measures the machine for a second.",
    .run = run,
};

}  // namespace pronk::cli
