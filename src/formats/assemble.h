// What every reader does last: the same checks, whatever the file format.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/model_source.h"

namespace pronk {

// Sizes within sane limits and consistent with each other, before anything is computed from them.
Status check_config(const LlamaConfig& config);

// Every tensor that the configuration calls for is there with its shape, rows are whole blocks, and
// no others are: a tensor that Llama has no place for means another architecture. `config` has been
// checked.
Status check_tensors(const ModelSource& source);

// The tokenizer's tokens against the embedding's rows: fewer is a note, more an error.
Status check_vocabulary(ModelSource* source);

// Takes out sampling defaults that no sampler can follow, with a note for each.
void keep_possible(GenerationDefaults* defaults, std::vector<std::string>* notes);

// The largest integer that readers hand on as int.
inline constexpr std::int64_t kMaxDimension = std::int64_t{1} << 24;

// A file's integer as a dimension: kCorruptData naming `what` when it is not in [minimum,
// kMaxDimension].
Result<int> dimension(std::int64_t value, std::string_view what, int minimum = 1);

}  // namespace pronk
