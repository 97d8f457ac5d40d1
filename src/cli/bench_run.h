// The runs of `pronk bench`: prompts read and replies written without an engine, by the clock.
#pragma once
#include <vector>

#include "cli/console.h"
#include "kernels/calibrate.h"
#include "model/runner.h"
#include "pronk/engine.h"

namespace pronk::cli {

struct BenchSetup {
  int num_prompt = 0, num_predict = 0, num_sequences = 1, num_threads = 0;
  int max_batch_tokens = 256;
  std::vector<TokenId> prompt = {};  // empty: random tokens
  int num_tokens() const { return num_prompt + num_predict; }
  int pages_each() const { return (num_tokens() + kKvPageTokens - 1) / kKvPageTokens; }
};

struct BenchTiming {
  double prefill_tps = 0, decode_tps = 0, first_token_ms = 0;
};

// What the steps of a run compute and read.
struct BenchCosts {
  std::vector<StepCost> prefill, decode;
};

struct BenchRuns {
  std::vector<BenchTiming> timings;
  BenchTiming median;
  BenchCosts costs;  // of each run: they are alike
};

std::vector<TokenId> random_prompt(int num_tokens, int sequence, int vocab_size);

// `repetitions` runs after one to warm up, which reads 512 tokens where the prompt has more than
// 2,048. The runner has the pages of all sequences.
Result<BenchRuns> run_bench(Console& console, Runner& runner, const BenchSetup& setup,
                            int vocab_size, int repetitions);

// The phases of a run that took the median times, beside what this machine does at most.
PhaseStats prefill_stats(const BenchRuns& runs, const BenchSetup& setup,
                         const kernels::Peaks& peaks);
PhaseStats decode_stats(const BenchRuns& runs, const BenchSetup& setup,
                        const kernels::Peaks& peaks);

}  // namespace pronk::cli
