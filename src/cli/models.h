// MODEL on the command line: found by name or path, fetched when `run` may, loaded with progress.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "cli/options.h"
#include "cli/verbs.h"
#include "hub/hub.h"
#include "pronk/engine.h"
#include "pronk/model.h"
#include "pronk/result.h"

namespace pronk::cli {

// --precision, --threads, --check: how a model is loaded and computed.
OptionGroup compute_options();
// --max-batch-tokens: of a long prompt, how much one step reads.
OptionSpec max_batch_tokens_option(std::string_view fallback);
Precision precision_of(const Options& options);
// Errors: kInvalidArgument with an fp32 reading.
Result<CacheType> cache_type_of(const Options& options);

// hub::pull with progress and notices on stderr; Ctrl-C keeps what came for the next time.
Result<hub::StoredModel> pull_model(Console& console, const std::string& name, int num_connections);

enum class IfMissing { kFail, kPull };
Result<std::filesystem::path> find_model(Console& console, const std::string& name,
                                         IfMissing if_missing = IfMissing::kFail);

// find_model and Model::load, by the compute options, which are set in `load`.
Result<std::shared_ptr<const Model>> load_model(Context& context, const std::string& name,
                                                IfMissing if_missing = IfMissing::kFail,
                                                LoadOptions load = {});

// --speculate off|ngram|MODEL, and what it says: a draft model is loaded as the model is.
OptionSpec speculate_option();
Status apply_speculate(Context& context, EngineOptions* options);

// The vocabulary must reach the id; kInvalidArgument names the first that it does not.
Status check_ids(std::span<const TokenId> ids, int vocab_size);

}  // namespace pronk::cli
