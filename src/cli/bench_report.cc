#include "cli/bench_report.h"

#include <fmt/format.h>

#include "base/system.h"
#include "cli/progress.h"
#include "cli/version.h"

namespace pronk::cli {
namespace {

json::array to_json(const std::vector<BenchTiming>& timings, double BenchTiming::*member) {
  json::array array;
  for (const BenchTiming& timing : timings) array.push_back(timing.*member);
  return array;
}

json::object to_json(const SpeculationTiming& s) {
  return {{"decode_tps", s.decode_tps},
          {"plain_decode_tps", s.plain_tps},
          {"gain", s.gain()},
          {"drafted_tokens", s.num_drafted},
          {"accepted_tokens", s.num_accepted}};
}

double per_second(std::int64_t amount, const PhaseStats& phase) {
  return phase.seconds > 0 ? static_cast<double>(amount) / phase.seconds : 0;
}

std::string against_limit(double tps, const PhaseStats& phase, int num_tokens, int num_sequences) {
  return fmt::format("{:.1f} tokens/s, {:.0f} % of the {} limit ({} tokens x {})", tps,
                     phase.percent_of_limit(), phase.limited_by(), num_tokens, num_sequences);
}

}  // namespace

json::object to_json(const BenchReport& r) {
  constexpr const char* kPrecisions[] = {"fp32", "high", "fast"};
  json::object object = {{"model", r.model},
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
                         {"prefill_tps", r.runs.median.prefill_tps},
                         {"decode_tps", r.runs.median.decode_tps},
                         {"first_token_ms", r.runs.median.first_token_ms},
                         {"load_ms", r.load_ms},
                         {"peak_bytes", r.peak_bytes},
                         {"weight_bytes", r.weight_bytes},
                         {"prefill_percent_of_limit", r.prefill.percent_of_limit()},
                         {"decode_percent_of_limit", r.decode.percent_of_limit()},
                         {"prefill_ops_per_s", per_second(r.prefill.operations, r.prefill)},
                         {"decode_bytes_per_s", per_second(r.decode.bytes, r.decode)},
                         {"prefill_limited_by", r.prefill.limited_by()},
                         {"decode_limited_by", r.decode.limited_by()},
                         {"repetitions", r.runs.timings.size()},
                         {"prefill_tps_all", to_json(r.runs.timings, &BenchTiming::prefill_tps)},
                         {"decode_tps_all", to_json(r.runs.timings, &BenchTiming::decode_tps)}};
  if (r.speculation) object["speculation"] = to_json(*r.speculation);
  return object;
}

std::string for_people(const BenchReport& r) {
  std::vector<std::vector<std::string>> rows = {
      {"model", r.model},
      {"machine", fmt::format("{}, {} threads, {}", cpu_name(), r.setup.num_threads, r.isa)},
      {"prompt", against_limit(r.runs.median.prefill_tps, r.prefill, r.setup.num_prompt,
                               r.setup.num_sequences)},
      {"reply", against_limit(r.runs.median.decode_tps, r.decode, r.setup.num_predict,
                              r.setup.num_sequences)}};
  if (const auto& s = r.speculation)
    rows.push_back(
        {"speculation",
         fmt::format("{:.1f} tokens/s, {:.2f} x {:.1f} without; {} of {} guesses true",
                     s->decode_tps, s->gain(), s->plain_tps, s->num_accepted, s->num_drafted)});
  rows.push_back({"first token", fmt::format("{:.1f} ms", r.runs.median.first_token_ms)});
  rows.push_back({"load", fmt::format("{:.0f} ms", r.load_ms)});
  rows.push_back({"memory", fmt::format("{} at most, {} of weights", format_bytes(r.peak_bytes),
                                        format_bytes(r.weight_bytes))});
  rows.push_back({"commit", commit_string()});
  return format_table(rows);
}

}  // namespace pronk::cli
