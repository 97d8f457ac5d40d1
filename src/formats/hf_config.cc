#include "formats/hf_config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "formats/assemble.h"
#include "text/utf8.h"

namespace pronk {
namespace {

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }
Error unsupported(std::string what) { return error(Code::kUnsupported, std::move(what)); }

bool is_null(const json::value* value) { return !value || value->is_null(); }

Error no_number(const json::value& object, std::string_view key, std::string_view wanted) {
  const json::value* value = find(object, key);
  if (is_null(value)) return corrupt(fmt::format("'{}' is missing", key));
  return corrupt(
      fmt::format("'{}' is {}, {} is needed", key, printable(json::serialize(*value)), wanted));
}

Status check_architecture(const json::value& config) {
  const json::string* model_type = find_string(config, "model_type");
  const json::array* architectures = find_array(config, "architectures");
  if (!model_type && !architectures)
    return corrupt(
        "neither 'model_type' nor 'architectures' is there; is this a model's config.json?");
  if (model_type && *model_type != "llama")
    return unsupported(fmt::format("the model is of type '{}'; 'llama' is supported",
                                   std::string_view(*model_type)));
  if (!architectures) return Ok{};
  for (const json::value& name : *architectures)
    if (name.is_string() && name.get_string() == "LlamaForCausalLM") return Ok{};
  return unsupported(fmt::format("the architecture is {}; LlamaForCausalLM is supported",
                                 json::serialize(*architectures)));
}

// What changes the computation: supported only at Llama's own value.
Status check_variants(const json::value& config) {
  if (const json::string* act = find_string(config, "hidden_act"); act && *act != "silu")
    return unsupported(
        fmt::format("'hidden_act' is '{}'; 'silu' is supported", std::string_view(*act)));
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (find_bool(config, key).value_or(false))
      return unsupported(fmt::format("'{}' is true; models without biases are supported", key));
  for (const char* key : {"sliding_window", "num_experts", "num_local_experts",
                          "attn_logit_softcapping", "final_logit_softcapping"})
    if (find_number(config, key).value_or(0) != 0)
      return unsupported(fmt::format("'{}' is set; Llama models have none", key));
  if (const double part = find_number(config, "partial_rotary_factor").value_or(1); part != 1)
    return unsupported(fmt::format("'partial_rotary_factor' is {}; 1 is supported", part));
  return Ok{};
}

Result<RopeScaling> read_scaling(const json::value& object) {
  RopeScaling scaling;
  const json::string* type = find_string(object, "rope_type");
  if (!type) type = find_string(object, "type");
  if (!type) return corrupt("the RoPE scaling has no 'rope_type'");
  if (*type == "default") return scaling;
  if (*type == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
    scaling.factor = PRONK_TRY(required_number(object, "factor"));
    return scaling;
  }
  if (*type == "llama3") {
    scaling.kind = RopeScaling::Kind::kLlama3;
    scaling.factor = PRONK_TRY(required_number(object, "factor"));
    scaling.low_freq_factor = PRONK_TRY(required_number(object, "low_freq_factor"));
    scaling.high_freq_factor = PRONK_TRY(required_number(object, "high_freq_factor"));
    scaling.original_context =
        PRONK_TRY(required_number(object, "original_max_position_embeddings"));
    return scaling;
  }
  return unsupported(
      fmt::format("RoPE scaling is of type '{}'; default, linear and llama3 are "
                  "supported",
                  std::string_view(*type)));
}

// transformers 5 keeps base and scaling in "rope_parameters", earlier versions in "rope_theta" and
// "rope_scaling".
Result<RopeConfig> read_rope(const json::value& config) {
  RopeConfig rope;
  const json::value* parameters = find(config, "rope_parameters");
  const json::value* scaling = is_null(parameters) ? find(config, "rope_scaling") : parameters;
  const auto old_theta = find_number(config, "rope_theta");
  const auto new_theta =
      is_null(parameters) ? std::nullopt : find_number(*parameters, "rope_theta");
  if (!old_theta && !new_theta)
    return corrupt(
        "the RoPE base is missing ('rope_theta', or 'rope_theta' in 'rope_parameters'); "
        "add the one the model was trained with (Llama 2: 10000)");
  if (old_theta && new_theta && *old_theta != *new_theta)
    return corrupt(
        fmt::format("'rope_theta' is {} and 'rope_parameters' says {}", *old_theta, *new_theta));
  rope.theta = new_theta ? *new_theta : *old_theta;
  if (is_null(scaling)) return rope;
  if (!scaling->is_object()) return corrupt("the RoPE scaling is no object");
  if (scaling == parameters && !find(*scaling, "rope_type") && !find(*scaling, "type")) return rope;
  rope.scaling = PRONK_TRY(read_scaling(*scaling));
  return rope;
}

}  // namespace

Result<double> required_number(const json::value& object, std::string_view key) {
  const auto number = find_number(object, key);
  if (!number) return no_number(object, key, "a number");
  return *number;
}

Result<int> required_dimension(const json::value& object, std::string_view key) {
  const auto number = find_integer(object, key);
  if (!number) return no_number(object, key, "a whole number");
  return dimension(*number, fmt::format("'{}'", key));
}

std::optional<double> find_number(const json::value& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (!value || !value->is_number()) return std::nullopt;
  json::error_code failure;
  const double number = value->to_number<double>(failure);
  return failure ? std::nullopt : std::optional(number);
}

std::optional<std::int64_t> find_integer(const json::value& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (!value || !value->is_number()) return std::nullopt;
  json::error_code failure;
  const auto number = value->to_number<std::int64_t>(failure);
  return failure ? std::nullopt : std::optional(number);
}

std::optional<bool> find_bool(const json::value& object, std::string_view key) {
  const json::value* value = find(object, key);
  if (!value || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

Result<LlamaConfig> read_hf_config(const json::value& config) {
  if (!config.is_object()) return corrupt("it is no JSON object");
  PRONK_TRY(check_architecture(config));
  PRONK_TRY(check_variants(config));
  LlamaConfig c;
  if (const json::string* name = find_string(config, "_name_or_path")) c.name = std::string(*name);
  c.num_layers = PRONK_TRY(required_dimension(config, "num_hidden_layers"));
  c.model_dim = PRONK_TRY(required_dimension(config, "hidden_size"));
  c.ffn_dim = PRONK_TRY(required_dimension(config, "intermediate_size"));
  c.num_heads = PRONK_TRY(required_dimension(config, "num_attention_heads"));
  c.vocab_size = PRONK_TRY(required_dimension(config, "vocab_size"));
  c.max_context = PRONK_TRY(required_dimension(config, "max_position_embeddings"));
  c.num_kv_heads = is_null(find(config, "num_key_value_heads"))
                       ? c.num_heads
                       : PRONK_TRY(required_dimension(config, "num_key_value_heads"));
  if (!is_null(find(config, "head_dim"))) {
    c.head_dim = PRONK_TRY(required_dimension(config, "head_dim"));
  } else {
    if (c.model_dim % c.num_heads != 0)
      return corrupt(
          fmt::format("{} dimensions cannot be split into {} heads", c.model_dim, c.num_heads));
    c.head_dim = c.model_dim / c.num_heads;
  }
  c.norm_eps = PRONK_TRY(required_number(config, "rms_norm_eps"));
  c.tied_output = find_bool(config, "tie_word_embeddings").value_or(false);
  c.rope = PRONK_TRY(read_rope(config));
  PRONK_TRY(check_config(c));
  return c;
}

Status check_hf_quantization(const json::value& config) {
  const json::value* quantization = find(config, "quantization_config");
  if (is_null(quantization)) return Ok{};
  const json::string* method = find_string(*quantization, "quant_method");
  const std::string_view name = method ? std::string_view(*method) : "unnamed";
  if (name == "fbgemm_fp8" || name == "fp8") return Ok{};
  const json::string* format = find_string(*quantization, "format");
  if (name == "compressed-tensors" &&
      (!format || *format == "float-quantized" || *format == "naive-quantized"))
    return Ok{};  // tensors of another type are then refused by theirs
  return unsupported(
      fmt::format("the weights are quantized by '{}'{}; unquantized ones and FP8 "
                  "(fbgemm_fp8, compressed-tensors float-quantized) are supported",
                  name, format ? fmt::format(" ({})", std::string_view(*format)) : ""));
}

GenerationDefaults read_hf_generation(const json::value& generation) {
  GenerationDefaults defaults;
  defaults.temperature = find_number(generation, "temperature");
  defaults.top_p = find_number(generation, "top_p");
  defaults.min_p = find_number(generation, "min_p");
  defaults.repetition_penalty = find_number(generation, "repetition_penalty");
  defaults.do_sample = find_bool(generation, "do_sample");
  if (const auto k = find_integer(generation, "top_k"); k && *k >= 0 && *k <= kMaxDimension)
    defaults.top_k = static_cast<int>(*k);
  return defaults;
}

void read_hf_token_ids(const json::value& object, TokenizerSource* tokenizer) {
  const auto id_of = [](const json::value& value) -> std::optional<TokenId> {
    const std::int64_t* id = value.if_int64();
    if (!id || *id < 0 || *id > std::numeric_limits<TokenId>::max()) return std::nullopt;
    return static_cast<TokenId>(*id);
  };
  const auto single = [&](std::string_view key, std::optional<TokenId>* out) {
    if (const json::value* value = find(object, key))
      if (const auto id = id_of(*value)) *out = id;
  };
  single("bos_token_id", &tokenizer->bos);
  single("eos_token_id", &tokenizer->eos);
  single("pad_token_id", &tokenizer->padding);
  std::vector<TokenId> ends;
  if (const json::array* list = find_array(object, "eos_token_id")) {
    for (const json::value& value : *list)
      if (const auto id = id_of(value)) ends.push_back(*id);
  } else if (const json::value* value = find(object, "eos_token_id")) {
    if (const auto id = id_of(*value)) ends.push_back(*id);
  }
  if (ends.empty()) return;
  tokenizer->end_tokens = ends;
  if (!tokenizer->eos) tokenizer->eos = ends[0];
}

}  // namespace pronk
