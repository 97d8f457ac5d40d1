// Hugging Face model folders become a ModelSource.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/model_source.h"
#include "formats/safetensors.h"
#include "text/json.h"

namespace pronk {

// A folder with config.json.
Status read_hf_folder(const std::filesystem::path& folder, const ReadOptions& options,
                      ModelSource* source);

// The tokenizer and templates of any model folder: tokenizer.json before tokenizer.model, and what
// tokenizer_config.json, generation_config.json and chat_template.jinja add. Kind kNone without a
// tokenizer file.
Status read_folder_texts(const std::filesystem::path& folder, ModelSource* source);

// The tensors of the files, FP8 with its scales; source->config is there, the entries' bytes
// outlive the source.
Status add_safetensors(std::span<const SafetensorsFile> files, ModelSource* source);

// A JSON file of the folder; null where there is none.
Result<json::value> read_json_file(const std::filesystem::path& path);

}  // namespace pronk
