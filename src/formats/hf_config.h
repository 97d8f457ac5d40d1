// Hugging Face's config.json and generation_config.json.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/model_source.h"
#include "text/json.h"

namespace pronk {

// What config.json says of a Llama model. Errors: kUnsupported for what would compute something
// else (another architecture, biases, another activation, ...), by its name; kCorruptData for what
// is missing: nothing is guessed.
Result<LlamaConfig> read_hf_config(const json::value& config);

// "quantization_config" with weights that this build does not read: kUnsupported by name. FP8
// (Meta's "fbgemm_fp8", "compressed-tensors" and block-wise "fp8") passes.
Status check_hf_quantization(const json::value& config);

GenerationDefaults read_hf_generation(const json::value& generation);

// bos_token_id and friends; eos_token_id may be one id or a list.
void read_hf_token_ids(const json::value& object, TokenizerSource* tokenizer);

// A size that must be there: kCorruptData when it is missing, no whole number or out of range.
Result<int> required_dimension(const json::value& object, std::string_view key);
Result<double> required_number(const json::value& object, std::string_view key);

// Optional numbers, whatever JSON's way to write them.
std::optional<double> find_number(const json::value& object, std::string_view key);
std::optional<std::int64_t> find_integer(const json::value& object, std::string_view key);
std::optional<bool> find_bool(const json::value& object, std::string_view key);

}  // namespace pronk
