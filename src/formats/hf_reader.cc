#include "formats/hf_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/bytes.h"
#include "formats/assemble.h"
#include "formats/hf_config.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }
Error unsupported(std::string what) { return error(Code::kUnsupported, std::move(what)); }

// ---- which files --------------------------------------------------------------------------------

// The file names that the index lists. They must lie in the folder itself.
Result<std::set<std::string>> files_of_index(const json::value& index) {
  const json::object* map = find_object(index, "weight_map");
  if (!map || map->empty()) return corrupt("'weight_map' is missing or empty");
  std::set<std::string> names;
  for (const auto& [tensor, file] : *map) {
    const json::string* name = file.if_string();
    if (!name || name->empty() || name->find('/') != json::string::npos || *name == "..")
      return corrupt(
          fmt::format("tensor '{}' lies in no file of this folder", std::string_view(tensor)));
    names.emplace(*name);
  }
  return names;
}

Result<std::set<std::string>> weight_files(const fs::path& folder) {
  const json::value index = PRONK_TRY(read_json_file(folder / "model.safetensors.index.json"));
  if (!index.is_null()) return PRONK_TRY_IN("model.safetensors.index.json", files_of_index(index));
  std::error_code failure;
  if (fs::exists(folder / "model.safetensors", failure))
    return std::set<std::string>{"model.safetensors"};
  std::set<std::string> found;
  bool has_pickles = false;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    if (entry.path().extension() == ".safetensors") found.insert(entry.path().filename().string());
    has_pickles |= entry.path().filename().string().starts_with("pytorch_model");
  }
  if (found.size() == 1) return found;
  if (has_pickles && found.empty())
    return unsupported(
        "the weights are in pytorch_model*.bin; fetch the model's safetensors files");
  return error(Code::kNotFound, found.empty() ? "there is no model.safetensors; fetch the weights"
                                              : "there are several safetensors files and no "
                                                "model.safetensors.index.json; fetch the index");
}

// ---- tensors ------------------------------------------------------------------------------------

// "model.layers.0.mlp.up_proj.weight" and "..._scale" or "..._scale_inv": all scale its values.
constexpr std::string_view kScaleSuffixes[] = {"_scale", "_scale_inv"};

// What carries no weight: tables that are computed, and scales of activations and caches.
bool is_ignorable(std::string_view name) {
  for (const std::string_view suffix : {"rotary_emb.inv_freq", "input_scale", "input_scale_ub",
                                        "output_scale", "k_scale", "v_scale", "activation_scale"})
    if (name.ends_with(suffix)) return true;
  return false;
}

// Scales as float32: in place where they lie so, else converted.
Result<const float*> scale_values(const SafetensorsEntry& entry, ModelSource* source) {
  const auto type = dtype_from_safetensors(entry.type);
  if (!type || *type == DType::kF8E4M3)
    return unsupported(
        fmt::format("the scale is of type {}; F32, BF16 and F16 are supported", entry.type));
  if (*type == DType::kF32 &&
      reinterpret_cast<std::uintptr_t>(entry.data.data()) % alignof(float) == 0)
    return reinterpret_cast<const float*>(entry.data.data());
  const std::int64_t n = entry.num_values();
  source->owned.push_back(
      std::make_unique<std::byte[]>(static_cast<std::size_t>(n) * sizeof(float)));
  float* values = reinterpret_cast<float*>(source->owned.back().get());
  dequantize_row(*type, entry.data.data(), n, values);
  return values;
}

// One scale for the tensor, for each row, or for each square block ("weight_block_size": 128).
Status attach_scales(const SafetensorsEntry& entry, TensorPiece* piece, ModelSource* source) {
  const std::int64_t rows = piece->num_rows, columns = piece->num_columns, n = entry.num_values();
  if (n == 1) {
    piece->scale_rows = 0;
  } else if (n == rows) {
    piece->scale_rows = 1;
  } else {
    const auto blocks = [](std::int64_t extent, std::int64_t size) {
      return size > 0 ? (extent + size - 1) / size : 0;
    };
    constexpr std::int64_t kBlock = 128;
    if (entry.shape.size() != 2 || entry.shape[0] != blocks(rows, kBlock) ||
        entry.shape[1] != blocks(columns, kBlock))
      return unsupported(
          fmt::format("{} scales for [{}, {}]; one, one a row, or one for each block "
                      "of 128 x 128 is supported",
                      n, rows, columns));
    piece->scale_rows = piece->scale_columns = kBlock;
  }
  piece->scales = PRONK_TRY(scale_values(entry, source));
  return Ok{};
}

Result<TensorSource> make_tensor(const std::string& name, const SafetensorsEntry& entry) {
  const auto type = dtype_from_safetensors(entry.type);
  if (!type)
    return unsupported(
        fmt::format("it is of type {}; F32, F16, BF16 and F8_E4M3 are supported", entry.type));
  const std::size_t rank = entry.shape.size();
  if (rank < 1 || rank > 2)
    return corrupt(fmt::format("it has {} dimensions, 1 or 2 are needed", rank));
  for (const std::int64_t extent : entry.shape) PRONK_TRY(dimension(extent, "its size"));
  TensorSource tensor{.name = name,
                      .dtype = *type,
                      .rows = rank == 2 ? entry.shape[0] : 1,
                      .columns = entry.shape[rank - 1]};
  tensor.pieces.push_back({.num_rows = tensor.rows,
                           .num_columns = tensor.columns,
                           .data = entry.data.data(),
                           .row_stride = row_bytes(*type, tensor.columns)});
  return tensor;
}

using Entries = std::map<std::string, const SafetensorsEntry*, std::less<>>;

Result<Entries> merge(std::span<const SafetensorsFile> files) {
  Entries all;
  for (const SafetensorsFile& file : files)
    for (const auto& [name, entry] : file.entries)
      if (!all.emplace(name, &entry).second)
        return corrupt(fmt::format("tensor '{}' is in two files", name));
  return all;
}

Status add_tensor(const std::string& name, const Entries& entries, ModelSource* source) {
  TensorSource tensor = PRONK_TRY(make_tensor(name, *entries.at(name)));
  const SafetensorsEntry* scale = nullptr;
  for (const std::string_view suffix : kScaleSuffixes)
    if (const auto found = entries.find(name + std::string(suffix)); found != entries.end())
      scale = found->second;
  if (scale && tensor.dtype != DType::kF8E4M3)
    return unsupported(
        fmt::format("it is of type {} and has a scale; only F8_E4M3 may", entries.at(name)->type));
  if (scale) PRONK_TRY(attach_scales(*scale, &tensor.pieces[0], source));
  source->tensors.emplace(name, std::move(tensor));
  return Ok{};
}

}  // namespace

Status add_safetensors(std::span<const SafetensorsFile> files, ModelSource* source) {
  const Entries entries = PRONK_TRY(merge(files));
  for (const auto& [name, entry] : entries) {
    const bool is_scale = std::any_of(
        std::begin(kScaleSuffixes), std::end(kScaleSuffixes),
        [&, &n = name](std::string_view suffix) {
          return n.ends_with(suffix) && entries.contains(n.substr(0, n.size() - suffix.size()));
        });
    if (is_scale) continue;
    if (is_ignorable(name) || (name == "lm_head.weight" && source->config.tied_output)) {
      source->notes.push_back(fmt::format("ignored {}", name));
      continue;
    }
    PRONK_TRY_IN(fmt::format("tensor '{}'", name), add_tensor(name, entries, source));
  }
  return check_tensors(*source);
}

Status read_hf_folder(const fs::path& folder, const ReadOptions& options, ModelSource* source) {
  source->format = "Hugging Face";
  const json::value config = PRONK_TRY(read_json_file(folder / "config.json"));
  source->config = PRONK_TRY_IN("config.json", read_hf_config(config));
  PRONK_TRY(read_folder_texts(folder, source));
  if (options.weights) {
    PRONK_TRY_IN("config.json", check_hf_quantization(config));
    std::vector<SafetensorsFile> parsed;
    for (const std::string& name : PRONK_TRY(weight_files(folder))) {
      source->files.push_back(PRONK_TRY(MappedFile::open(folder / name)));
      parsed.push_back(PRONK_TRY_IN(name, parse_safetensors(source->files.back()->bytes())));
    }
    PRONK_TRY(add_safetensors(parsed, source));
  }
  return check_vocabulary(source);
}

}  // namespace pronk
