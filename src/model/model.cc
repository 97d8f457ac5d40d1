#include "pronk/model.h"

#include <fmt/format.h>

#include <optional>

#include "base/system.h"
#include "base/thread_pool.h"
#include "formats/model_source.h"
#include "formats/packed_file.h"
#include "model/weight_loader.h"

namespace pronk {

struct Model::Impl {
  std::shared_ptr<const ModelSource> source;
  LlamaWeights weights;
  std::optional<Tokenizer> tokenizer;
  Precision precision = Precision::kFast;
  std::int64_t weight_bytes = 0, bytes_to_pack = 0;
};

Model::Model() : impl_(std::make_unique<Impl>()) {}
Model::~Model() = default;

const LlamaConfig& Model::config() const { return impl_->source->config; }
const LlamaWeights& Model::weights() const { return impl_->weights; }
bool Model::has_tokenizer() const { return impl_->tokenizer.has_value(); }
const ModelSource& Model::source() const { return *impl_->source; }
Precision Model::precision() const { return impl_->precision; }
std::int64_t Model::weight_bytes() const { return impl_->weight_bytes; }
std::int64_t Model::bytes_to_pack() const { return impl_->bytes_to_pack; }

const Tokenizer& Model::tokenizer() const {
  PRONK_CHECK(impl_->tokenizer.has_value(), "asked for the tokenizer of a model that has none");
  return *impl_->tokenizer;
}

Result<std::shared_ptr<const Model>> Model::load(const std::filesystem::path& path,
                                                 const LoadOptions& options) {
  const std::string step = fmt::format("load '{}'", path.string());
  auto source = PRONK_TRY(read_model(path));
  auto model = PRONK_TRY_IN(step, with_tokenizer(*source));
  source->tokenizer = {};  // of 128,256 tokens: 14 MB that the Tokenizer has in its own form
  return PRONK_TRY_IN(step, with_weights(std::move(model), std::move(source), options));
}

Result<std::shared_ptr<const Model>> Model::from_source(std::shared_ptr<const ModelSource> source,
                                                        const LoadOptions& options) {
  auto model = PRONK_TRY(with_tokenizer(*source));
  return with_weights(std::move(model), std::move(source), options);
}

Result<std::shared_ptr<Model>> Model::with_tokenizer(const ModelSource& source) {
  std::shared_ptr<Model> model(new Model());
  std::optional<Tokenizer>& tokenizer = model->impl_->tokenizer;
  if (source.tokenizer.kind != TokenizerSource::Kind::kNone)
    tokenizer = PRONK_TRY_IN("tokenizer", Tokenizer::from_source(source.tokenizer));
  if (tokenizer && tokenizer->vocab_size() > source.config.vocab_size)
    return error(Code::kCorruptData,
                 fmt::format("tokenizer: has {} tokens, the embedding has {} rows; the two files "
                             "are of different models",
                             tokenizer->vocab_size(), source.config.vocab_size));
  return model;
}

Result<std::shared_ptr<const Model>> Model::with_weights(std::shared_ptr<Model> model,
                                                         std::shared_ptr<const ModelSource> source,
                                                         const LoadOptions& options) {
  Impl& m = *model->impl_;
  if (options.check) PRONK_TRY(check_sum(*source));
  ThreadPool pool(options.num_threads > 0 ? options.num_threads : num_usable_cores());
  m.weights = PRONK_TRY(load_weights(source, options, pool));
  m.weight_bytes = resident_bytes(m.weights);
  m.bytes_to_pack = pronk::bytes_to_pack(m.weights);
  m.precision = options.precision;
  m.source = std::move(source);
  return std::shared_ptr<const Model>(std::move(model));
}

}  // namespace pronk
