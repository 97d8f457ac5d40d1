// What `pronk bench` found, for people and as JSON.
#pragma once
#include <optional>
#include <string>

#include "cli/bench_run.h"
#include "cli/bench_speculation.h"
#include "text/json.h"

namespace pronk::cli {

struct BenchReport {
  std::string model, isa;
  BenchSetup setup;
  Precision precision = Precision::kFast;
  CacheType cache_type = CacheType::kBF16;
  double load_ms = 0;
  std::int64_t peak_bytes = 0, weight_bytes = 0;
  BenchRuns runs;
  PhaseStats prefill, decode;
  std::optional<SpeculationTiming> speculation;
};

json::object to_json(const BenchReport& report);
std::string for_people(const BenchReport& report);

}  // namespace pronk::cli
