// One reply of the engine, streamed to stdout.
#pragma once
#include <string>

#include "cli/console.h"
#include "pronk/session.h"

namespace pronk::cli {

// Prints the text as it comes, with the progress of a long prompt before it. Ctrl-C and a stdout
// that takes no more cancel it: what came is in the Reply. Within an InterruptScope.
Result<Reply> stream_reply(Console& console, Engine& engine, Prompt prompt);

// "12 prompt tokens, 34 tokens in 1.20 s: first after 0.20 s, then 28.3 tokens/s"
std::string format_timings(const Reply& reply);
// What an engine has done so far: "prompt 61 % of the compute limit, reply 92 % of the memory
// limit" where it knows the limits, and a line about drafts where there were any.
std::string format_stats(const EngineStats& stats);
// A line for every token: its logprob and text, and the likeliest ones.
std::string format_logprobs(const Reply& reply, const Tokenizer& tokenizer);
// Why the reply ends where nobody wished it to: the context is full. Else empty.
std::string explain_end(const Reply& reply, int max_tokens, int context);

}  // namespace pronk::cli
