#include "cli/models.h"

#include <fmt/format.h>

#include "cli/progress.h"
#include "cli/signals.h"
#include "hub/known_models.h"

namespace pronk::cli {
namespace {

// The bars of one pull: a new one for every file.
class PullProgress {
 public:
  explicit PullProgress(Console& console) : console_(console) {}
  void update(const hub::Progress& p) {
    if (!bar_ || p.what != what_) {
      bar_.reset();
      what_ = p.what;
      bar_ = std::make_unique<Progress>(console_, "pull " + what_, ProgressUnit::kBytes,
                                        Progress::AtEnd::kKeep);
    }
    bar_->update(p.done, p.total);
  }
  void end() { bar_.reset(); }

 private:
  Console& console_;
  std::string what_;
  std::unique_ptr<Progress> bar_;
};

}  // namespace

OptionGroup compute_options() {
  return {"Computing",
          {{.name = "threads",
            .letter = 't',
            .kind = ValueKind::kInt,
            .value = "N",
            .fallback = "0",
            .help = "threads; 0: the cores this process may use",
            .min = 0,
            .max = 1024,
            .env = "PRONK_THREADS"},
           {.name = "precision",
            .kind = ValueKind::kChoice,
            .value = "fp32|high|fast",
            .fallback = "fast",
            .help = "fp32: exact weights, float32 throughout"},
           {.name = "kv",
            .kind = ValueKind::kChoice,
            .value = "bf16|int8",
            .fallback = "bf16",
            .help = "numbers of the key/value cache; int8 takes half the memory"},
           {.name = "check", .help = "read every weight first and refuse NaN and infinity"}},
          /*brief=*/true};
}

OptionSpec max_batch_tokens_option(std::string_view fallback) {
  return {.name = "max-batch-tokens",
          .kind = ValueKind::kInt,
          .value = "N",
          .fallback = fallback,
          .help = "tokens that one step reads; the result is the same",
          .min = 1,
          .max = 65536};
}

Precision precision_of(const Options& options) {
  const std::string name = options.text("precision");
  return name == "fp32" ? Precision::kFp32 : name == "high" ? Precision::kHigh : Precision::kFast;
}

Result<CacheType> cache_type_of(const Options& options) {
  if (options.text("kv") != "int8") return CacheType::kBF16;
  if (precision_of(options) == Precision::kFp32)
    return error(Code::kInvalidArgument,
                 "--kv int8: --precision fp32 keeps a float32 cache; leave one of them out");
  return CacheType::kInt8;
}

Result<hub::StoredModel> pull_model(Console& console, const std::string& name,
                                    int num_connections) {
  const InterruptScope interruptible;
  PullProgress progress(console);
  hub::PullOptions options;
  options.num_connections = num_connections;
  options.progress = [&](const hub::Progress& p) { progress.update(p); };
  options.notice = [&](const std::string& line) {
    progress.end();
    console.note(line);
  };
  options.cancelled = [] { return noted_signal() != 0; };
  Result<hub::StoredModel> model = hub::pull(name, options);
  progress.end();
  if (!model && model.error().code == Code::kCancelled)
    console.note("stopped; the same command goes on from here");
  return model;
}

Result<std::filesystem::path> find_model(Console& console, const std::string& name,
                                         IfMissing if_missing) {
  Result<std::filesystem::path> path = hub::resolve(name);
  const bool missing = !path && path.error().code == Code::kNotFound;
  if (!missing || if_missing == IfMissing::kFail || !hub::find_known(name)) return path;
  console.note(fmt::format("'{}' is not here yet: fetching it", name));
  constexpr int kConnections = 4;
  return PRONK_TRY(pull_model(console, name, kConnections)).path;
}

Result<std::shared_ptr<const Model>> load_model(Context& context, const std::string& name,
                                                IfMissing if_missing, LoadOptions load) {
  const std::filesystem::path path = PRONK_TRY(find_model(context.console, name, if_missing));
  Progress progress(context.console, "load " + name, ProgressUnit::kBytes);
  load.precision = precision_of(context.options);
  load.check = context.options.flag("check");
  load.num_threads = static_cast<int>(context.options.integer("threads"));
  load.progress = [&](std::int64_t done, std::int64_t total) { progress.update(done, total); };
  return Model::load(path, load);
}

OptionSpec speculate_option() {
  return {.name = "speculate",
          .kind = ValueKind::kText,
          .value = "off|ngram|MODEL",
          .fallback = "off",
          .help = "guess by repeated text or a smaller model; same tokens"};
}

Status apply_speculate(Context& context, EngineOptions* options) {
  const std::string by = context.options.text("speculate");
  if (by == "off") return Ok{};
  options->speculate = by == "ngram" ? Speculate::kNgram : Speculate::kDraftModel;
  if (by != "ngram")
    options->draft_model = PRONK_TRY_IN("speculate", load_model(context, by, IfMissing::kPull));
  return Ok{};
}

Status check_ids(std::span<const TokenId> ids, int vocab_size) {
  for (const TokenId id : ids)
    if (id < 0 || id >= vocab_size)
      return error(Code::kInvalidArgument,
                   fmt::format("token id {}: unknown, the vocabulary has {} (0 to {})", id,
                               vocab_size, vocab_size - 1));
  return Ok{};
}

}  // namespace pronk::cli
