#include "cli/bench_run.h"

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/timing.h"
#include "engine/phase_stats.h"
#include "kernels/isa.h"

namespace pronk::cli {
namespace {

// The sequences of one run: their pages, and the token each goes on with.
class Sequences {
 public:
  // With `costs`: counts every step.
  Sequences(Runner& runner, const BenchSetup& setup, int vocab_size, BenchCosts* costs)
      : runner_(runner), setup_(setup), vocab_size_(vocab_size), costs_(costs) {
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
          whole ? std::span(&last, 1) : std::span<const int>(),
          n};
      if (costs_) costs_->prefill.push_back(runner_.cost(batch));
      const std::span<float> logits = PRONK_TRY(runner_.step(batch));
      if (whole) next_[static_cast<std::size_t>(s)] = PRONK_TRY(likeliest(batch, logits));
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
    if (costs_) costs_->decode.push_back(runner_.cost(batch));
    const std::span<float> logits = PRONK_TRY(runner_.step(batch));
    const auto v = static_cast<std::size_t>(vocab_size_);
    for (std::size_t s = 0; s < next_.size(); ++s)
      next_[s] = PRONK_TRY(likeliest(batch, logits.subspan(s * v, v)));
    return Ok{};
  }

 private:
  std::span<const int> pages_of(int s) const {
    const auto n = static_cast<std::size_t>(setup_.pages_each());
    return std::span(pages_).subspan(static_cast<std::size_t>(s) * n, n);
  }
  // Of a row of logits of the batch, the last one computed.
  Result<TokenId> likeliest(const Batch& batch, std::span<const float> row) {
    const std::int64_t token =
        kernels::table().vector.argmax(row.data(), static_cast<std::int64_t>(row.size()));
    if (token < 0) PRONK_TRY(runner_.check(batch, row));  // says where the NaN comes from
    return static_cast<TokenId>(token);
  }

  Runner& runner_;
  const BenchSetup& setup_;
  const int vocab_size_;
  BenchCosts* const costs_;
  std::vector<int> pages_;
  std::vector<TokenId> next_;
};

Result<BenchTiming> time_once(Runner& runner, const BenchSetup& setup, int vocab_size,
                              BenchCosts* costs = nullptr) {
  Sequences sequences(runner, setup, vocab_size, costs);
  BenchTiming timing;
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

double median_of(const std::vector<BenchTiming>& timings, double BenchTiming::*member) {
  std::vector<double> values;
  values.reserve(timings.size());
  for (const BenchTiming& timing : timings) values.push_back(timing.*member);
  return median(std::move(values));
}

// The run that warms caches and clocks and packs what is not packed: of a long prompt its first
// tokens, which do that as well.
BenchSetup warm_up_of(BenchSetup setup) {
  constexpr int kLongPrompt = 2048, kEnough = 512;
  if (setup.num_prompt > kLongPrompt) setup.num_prompt = kEnough;
  return setup;
}

PhaseStats stats_of(const std::vector<StepCost>& steps, const kernels::Peaks& peaks, int num_tokens,
                    double tps) {
  PhaseStats phase;
  for (const StepCost& step : steps) add_step(phase, step, peaks);
  if (tps > 0) phase.seconds = num_tokens / tps;
  return phase;
}

}  // namespace

std::vector<TokenId> random_prompt(int num_tokens, int sequence, int vocab_size) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<std::size_t>(num_tokens));
  for (int i = 0; i < num_tokens; ++i)
    tokens.push_back(static_cast<TokenId>(
        random_bits(static_cast<std::uint64_t>(sequence), static_cast<std::uint64_t>(i)) %
        static_cast<std::uint64_t>(vocab_size)));
  return tokens;
}

Result<BenchRuns> run_bench(Console& console, Runner& runner, const BenchSetup& setup,
                            int vocab_size, int repetitions) {
  Progress progress(console, "bench", ProgressUnit::kTokens);
  BenchRuns runs;
  PRONK_TRY(time_once(runner, warm_up_of(setup), vocab_size));
  for (int i = 0; i < repetitions; ++i) {
    runs.timings.push_back(
        PRONK_TRY(time_once(runner, setup, vocab_size, i == 0 ? &runs.costs : nullptr)));
    const std::int64_t each = std::int64_t{setup.num_tokens()} * setup.num_sequences;
    progress.update((i + 1) * each, repetitions * each);
  }
  runs.median = {.prefill_tps = median_of(runs.timings, &BenchTiming::prefill_tps),
                 .decode_tps = median_of(runs.timings, &BenchTiming::decode_tps),
                 .first_token_ms = median_of(runs.timings, &BenchTiming::first_token_ms)};
  return runs;
}

PhaseStats prefill_stats(const BenchRuns& runs, const BenchSetup& setup,
                         const kernels::Peaks& peaks) {
  return stats_of(runs.costs.prefill, peaks, setup.num_prompt * setup.num_sequences,
                  runs.median.prefill_tps);
}

PhaseStats decode_stats(const BenchRuns& runs, const BenchSetup& setup,
                        const kernels::Peaks& peaks) {
  return stats_of(runs.costs.decode, peaks, setup.num_predict * setup.num_sequences,
                  runs.median.decode_tps);
}

}  // namespace pronk::cli
