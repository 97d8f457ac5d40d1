#include "formats/assemble.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "formats/tensor_names.h"
#include "formats/tokenizer_files.h"

namespace pronk {
namespace {

Error bad(std::string what) { return error(Code::kCorruptData, std::move(what)); }

Status check_rope(const RopeConfig& rope, int head_dim) {
  if (!std::isfinite(rope.theta) || rope.theta <= 0)
    return bad(fmt::format("RoPE base is {}, a positive number is needed", rope.theta));
  const RopeScaling& s = rope.scaling;
  if (!std::isfinite(s.factor) || s.factor <= 0)
    return bad(fmt::format("RoPE scaling factor is {}, a positive number is needed", s.factor));
  if (s.kind == RopeScaling::Kind::kLlama3 &&
      !(s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor && s.original_context > 0 &&
        std::isfinite(s.high_freq_factor) && std::isfinite(s.original_context)))
    return bad(
        fmt::format("RoPE scaling 'llama3' has low_freq_factor {}, high_freq_factor {} and "
                    "original context {}; 0 < low < high is needed",
                    s.low_freq_factor, s.high_freq_factor, s.original_context));
  if (!rope.divisors.empty() && std::ssize(rope.divisors) != head_dim / 2)
    return bad(fmt::format("rope_freqs has {} numbers, heads of {} dimensions need {}",
                           rope.divisors.size(), head_dim, head_dim / 2));
  for (const float divisor : rope.divisors)
    if (!std::isfinite(divisor) || divisor <= 0)
      return bad(fmt::format("rope_freqs holds {}, positive numbers are needed", divisor));
  return Ok{};
}

}  // namespace

Result<int> dimension(std::int64_t value, std::string_view what, int minimum) {
  if (value < minimum || value > kMaxDimension)
    return bad(fmt::format("{} is {}, {} to {} is possible", what, value, minimum, kMaxDimension));
  return static_cast<int>(value);
}

Status check_config(const LlamaConfig& c) {
  constexpr int kMaxLayers = 10000, kMaxHeads = 65536;
  PRONK_TRY(dimension(c.num_layers, "number of layers"));
  PRONK_TRY(dimension(c.model_dim, "model dimension"));
  PRONK_TRY(dimension(c.ffn_dim, "feed-forward dimension"));
  PRONK_TRY(dimension(c.num_heads, "number of heads"));
  PRONK_TRY(dimension(c.num_kv_heads, "number of key/value heads"));
  PRONK_TRY(dimension(c.head_dim, "head dimension"));
  PRONK_TRY(dimension(c.vocab_size, "vocabulary size"));
  if (c.max_context < 1) return bad(fmt::format("context length is {}", c.max_context));
  if (c.num_layers > kMaxLayers || c.num_heads > kMaxHeads)
    return bad(fmt::format("{} layers and {} heads; at most {} and {} are possible", c.num_layers,
                           c.num_heads, kMaxLayers, kMaxHeads));
  if (c.num_heads % c.num_kv_heads != 0)
    return bad(fmt::format("{} heads cannot share {} key/value heads evenly", c.num_heads,
                           c.num_kv_heads));
  if (c.head_dim % 2 != 0)
    return bad(fmt::format("head dimension is {}, RoPE needs an even one", c.head_dim));
  if (std::int64_t{c.num_heads} * c.head_dim > kMaxDimension)
    return bad(fmt::format("{} heads of {} dimensions are more than the {} possible", c.num_heads,
                           c.head_dim, kMaxDimension));
  if (!std::isfinite(c.norm_eps) || c.norm_eps < 0 || c.norm_eps > 1)
    return bad(fmt::format("RMSNorm epsilon is {}, 0 to 1 is possible", c.norm_eps));
  return check_rope(c.rope, c.head_dim);
}

Status check_tensors(const ModelSource& source) {
  std::size_t num_found = 0;
  std::set<std::string, std::less<>> known;
  for (const TensorShape& wanted : llama_tensors(source.config)) {
    const auto found = source.tensors.find(wanted.name);
    if (found == source.tensors.end())
      return bad(fmt::format("{} is missing; the download may be incomplete", wanted.name));
    const TensorSource& tensor = found->second;
    if (tensor.rows != wanted.rows || tensor.columns != wanted.columns)
      return bad(
          fmt::format("{} is [{}, {}], the configuration calls for [{}, {}]; they are of "
                      "different models",
                      wanted.name, tensor.rows, tensor.columns, wanted.rows, wanted.columns));
    const DTypeInfo& type = info(tensor.dtype);
    if (tensor.columns % type.block_size != 0)
      return bad(fmt::format("{}: rows of {} values are no whole number of {} blocks of {}",
                             wanted.name, tensor.columns, type.name, type.block_size));
    ++num_found;
    known.insert(wanted.name);
  }
  if (num_found == source.tensors.size()) return Ok{};
  for (const auto& [name, tensor] : source.tensors)
    if (!known.contains(name))
      return error(Code::kUnsupported,
                   fmt::format("{} has no place in a Llama model of {} layers; this is another "
                               "architecture",
                               name, source.config.num_layers));
  return Ok{};
}

Status check_vocabulary(ModelSource* source) {
  const auto num_tokens = PRONK_TRY(count_tokens(source->tokenizer));
  if (!num_tokens) return Ok{};
  const int rows = source->config.vocab_size;
  if (*num_tokens > rows)
    return bad(
        fmt::format("the tokenizer has {} tokens, the embedding {} rows; the two files are "
                    "of different models",
                    *num_tokens, rows));
  if (*num_tokens < rows)
    source->notes.push_back(
        fmt::format("the embedding has {} rows more than the tokenizer has tokens ({})",
                    rows - *num_tokens, *num_tokens));
  return Ok{};
}

void keep_possible(GenerationDefaults* defaults, std::vector<std::string>* notes) {
  const auto check = [&](std::optional<double>* value, const char* name, double least,
                         double most) {
    if (!*value || (**value >= least && **value <= most)) return;
    notes->push_back(fmt::format("ignored the sampling default {} {}: {} to {} is possible", name,
                                 **value, least, most));
    value->reset();
  };
  check(&defaults->temperature, "temperature", 0, 100);
  check(&defaults->top_p, "top_p", 0, 1);
  check(&defaults->min_p, "min_p", 0, 1);
  check(&defaults->repetition_penalty, "repetition_penalty", 0.01, 100);
}

}  // namespace pronk
