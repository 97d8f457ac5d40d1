// Text and messages of the command line become the engine's prompts.
#pragma once
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "formats/model_source.h"
#include "pronk/model.h"
#include "pronk/result.h"
#include "pronk/session.h"
#include "pronk/tokenizer.h"
#include "pronk/types.h"

namespace pronk::cli {

// The text as it stands: specials in it are recognised, and BOS begins it where the tokenizer's
// file says so, never twice. Warns as warn_of_dropped does. kNotFound when the model has no
// tokenizer.
Result<std::vector<TokenId>> raw_prompt(Console& console, const Model& model,
                                        std::string_view text);

// Says on stderr that a prompt lacks bytes of a text, if it does.
void warn_of_dropped(Console& console, std::size_t num_dropped, std::size_t num_bytes);
// The same for a message of a chat, which its template puts into the prompt.
void warn_of_dropped(Console& console, const Tokenizer& tokenizer, std::string_view message);

// Puts the sampling, length and stops that the options of `run` say into the prompt.
Status apply_options(const Model& model, const Options& options, Prompt* prompt);

// The system message and the day, for a Session.
Result<ChatOptions> chat_options(const Options& options);

// The chat template that is called "default", else the first; nullptr when there is none.
const std::string* default_template(const ModelSource& source);

// --date, or today: seconds since the epoch in local time, as the templates' strftime_now reads
// them.
Result<std::int64_t> template_now(const Options& options);

}  // namespace pronk::cli
