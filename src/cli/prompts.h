// Text and messages of the command line become the engine's prompts.
#pragma once
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "formats/model_source.h"
#include "pronk/engine.h"
#include "pronk/model.h"
#include "pronk/result.h"
#include "pronk/types.h"
#include "text/json.h"

namespace pronk::cli {

// The text as it stands: specials in it are recognised, and BOS begins it where the tokenizer's
// file says so, never twice. kInvalidArgument when the model has no tokenizer.
Result<std::vector<TokenId>> raw_prompt(const Model& model, std::string_view text);

// A prompt of these tokens with the sampling, length and stops that the options of `run` say.
Result<Prompt> prompt_of(const Model& model, const Options& options, std::vector<TokenId> tokens);

// The messages through the model's chat template, or the one that stands in for it.
Result<Prompt> chat_prompt(const Model& model, const Options& options, const json::array& messages);

// The chat template that is called "default", else the first; nullptr when there is none.
const std::string* default_template(const ModelSource& source);

// --date, or today: seconds since the epoch in local time, as the templates' strftime_now reads
// them.
Result<std::int64_t> template_now(const Options& options);

}  // namespace pronk::cli
