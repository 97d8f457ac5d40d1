#include "cli/reply.h"

#include <fmt/format.h>

#include "cli/io.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace pronk::cli {

Result<Reply> stream_reply(Console& console, Engine& engine, Prompt prompt) {
  const auto num_prompt_tokens = static_cast<int>(prompt.tokens.size());
  Stream stream = PRONK_TRY(engine.submit(std::move(prompt)));
  Progress reading(console, "read the prompt", ProgressUnit::kTokens);
  Reply reply = PRONK_TRY(read_reply(stream, [&](const Event& event) {
    if (noted_signal() || console.output_failed()) stream.cancel();
    if (event.num_prompt_done > 0) reading.update(event.num_prompt_done, num_prompt_tokens);
    if (event.token) reading.finish();
    if (event.text.empty()) return;
    console.print(event.text);
    console.flush();
  }));
  reply.num_prompt_tokens = num_prompt_tokens;
  return reply;
}

std::string format_timings(const Reply& reply) {
  const auto n = static_cast<double>(reply.tokens.size());
  std::string text = fmt::format("{} prompt tokens, {} tokens in {:.2f} s", reply.num_prompt_tokens,
                                 reply.tokens.size(), reply.total_seconds);
  if (n > 0) text += fmt::format(": first after {:.3f} s", reply.first_token_seconds);
  if (n > 1)
    text += fmt::format(", then {:.1f} tokens/s",
                        (n - 1) / (reply.total_seconds - reply.first_token_seconds));
  return text;
}

std::string format_stats(const EngineStats& stats) {
  std::string text;
  if (stats.prefill.least_seconds() > 0)
    text += fmt::format("prompt {:.0f} % of the {} limit, reply {:.0f} % of the {} limit\n",
                        stats.prefill.percent_of_limit(), stats.prefill.limited_by(),
                        stats.decode.percent_of_limit(), stats.decode.limited_by());
  if (stats.drafted_tokens > 0)
    text += fmt::format("{} of {} drafted tokens accepted, {} steps\n", stats.accepted_tokens,
                        stats.drafted_tokens, stats.steps);
  return text;
}

std::string format_logprobs(const Reply& reply, const Tokenizer& tokenizer) {
  std::string text;
  for (const Picked& picked : reply.tokens) {
    text += fmt::format("{:>9.4f}  {:>7} \"{}\"", picked.logprob, picked.token,
                        escape_bytes(tokenizer.piece(picked.token)));
    for (const TokenLogprob& other : picked.top)
      text += fmt::format("  {} \"{}\" {:.4f}", other.token,
                          escape_bytes(tokenizer.piece(other.token)), other.logprob);
    text += '\n';
  }
  return text;
}

std::string explain_end(const Reply& reply, int max_tokens, int context) {
  const int num_tokens = static_cast<int>(reply.tokens.size());
  if (reply.finish != FinishReason::kLength || num_tokens == max_tokens) return {};
  return fmt::format("the reply ends here: the context of {} tokens is full", context);
}

}  // namespace pronk::cli
