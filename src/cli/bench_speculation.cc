#include "cli/bench_speculation.h"

#include <fmt/format.h>

#include "cli/signals.h"
#include "cli/timing.h"

namespace pronk::cli {
namespace {

struct Written {
  std::vector<TokenId> tokens;
  double tps = 0;  // of all but the first
};

Result<Written> write_once(Engine& engine, const std::vector<TokenId>& prompt, int num_predict) {
  Prompt p;
  p.tokens = prompt;
  p.sampling.temperature = 0;
  p.max_tokens = num_predict;
  p.ignore_eos = true;
  Stream stream = PRONK_TRY(engine.submit(std::move(p)));
  Written written;
  Clock::time_point first;
  while (const auto event = stream.next()) {
    if (event->error) return *event->error;
    if (event->token && written.tokens.empty()) first = Clock::now();
    if (event->token) written.tokens.push_back(event->token->token);
    if (noted_signal()) return error(Code::kCancelled, "bench: stopped");
  }
  written.tps = static_cast<double>(written.tokens.size() - 1) / seconds_since(first);
  return written;
}

}  // namespace

Result<SpeculationTiming> time_speculation(const std::shared_ptr<const Model>& model,
                                           const EngineOptions& options,
                                           const std::vector<TokenId>& prompt, int num_predict,
                                           int repetitions) {
  EngineOptions plain_options = options;
  plain_options.speculate = Speculate::kOff;
  const auto guessing = PRONK_TRY(Engine::start(model, options));
  const auto plain = PRONK_TRY(Engine::start(model, plain_options));
  std::vector<double> guessing_tps, plain_tps;
  for (int i = 0; i <= repetitions; ++i) {
    const Written without = PRONK_TRY(write_once(*plain, prompt, num_predict));
    const Written with = PRONK_TRY(write_once(*guessing, prompt, num_predict));
    if (with.tokens != without.tokens)
      return error(Code::kFailed, "bench: speculation changed a token; please report this");
    if (i == 0) continue;
    plain_tps.push_back(without.tps);
    guessing_tps.push_back(with.tps);
  }
  const EngineStats stats = guessing->stats();
  return SpeculationTiming{.decode_tps = median(std::move(guessing_tps)),
                           .plain_tps = median(std::move(plain_tps)),
                           .num_drafted = stats.drafted_tokens,
                           .num_accepted = stats.accepted_tokens};
}

}  // namespace pronk::cli
