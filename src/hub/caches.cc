// Models that other programs fetched already, used where they lie.
//   Hugging Face: CACHE/models--ORG--NAME/refs/REVISION holds a commit, snapshots/COMMIT/ its files
//   Ollama: FOLDER/manifests/registry.ollama.ai/library/NAME/TAG lists layers, blobs/sha256-HEX are
//   they
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "hub/environment.h"
#include "hub/fetch_plan.h"
#include "text/json.h"

namespace pronk::hub {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::recursive_directory_iterator it(folder, failed), end; !failed && it != end;
       it.increment(failed))
    if (it->is_regular_file(failed))
      names.push_back(it->path().lexically_relative(folder).generic_string());
  return names;
}

// Whether all shards that the index names are there.
bool has_all_shards(const fs::path& folder) {
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (!fs::exists(index, ignored)) return true;
  const Result<std::string> text = read_file(index);
  if (!text) return false;
  const Result<json::value> value = parse_json(*text);
  const json::object* map = value ? find_object(*value, "weight_map") : nullptr;
  if (!map) return false;
  return std::all_of(map->begin(), map->end(), [&](const auto& entry) {
    return entry.value().is_string() &&
           fs::exists(folder / std::string(entry.value().get_string()), ignored);
  });
}

// "model-00001-of-00003.gguf": all three must be among the files.
bool has_all_parts(const Choice& choice) {
  const std::size_t of = choice.entry.rfind("-of-");
  if (of == std::string::npos) return true;
  const auto parts = std::count_if(choice.files.begin(), choice.files.end(),
                                   [](const std::string& name) { return name.ends_with(".gguf"); });
  return std::to_string(parts) == std::to_string(std::atoi(choice.entry.c_str() + of + 4));
}

fs::path ollama_blob(const fs::path& folder, const std::string& sha256) {
  return folder / "blobs" / ("sha256-" + sha256);
}

}  // namespace

std::optional<std::string> find_in_hf_cache(const Source& source) {
  std::string folder = "models--" + source.place;
  if (const std::size_t slash = folder.find('/'); slash != std::string::npos)
    folder.replace(slash, 1, "--");
  const fs::path repository = hf_cache() / folder;
  std::string commit = source.revision.empty() ? "main" : source.revision;
  if (const Result<std::string> named = read_file(repository / "refs" / commit, 4096)) {
    commit = *named;
    while (!commit.empty() && commit.back() <= ' ') commit.pop_back();
  }
  if (!is_safe_relative(commit)) return std::nullopt;
  const fs::path snapshot = repository / "snapshots" / commit;
  const Result<Choice> choice = choose_files(source, files_below(snapshot));
  if (!choice || !has_all_shards(snapshot) || !has_all_parts(*choice)) return std::nullopt;
  const bool is_folder = choice->entry.empty();
  if (is_folder &&
      std::find(choice->files.begin(), choice->files.end(), "config.json") == choice->files.end())
    return std::nullopt;
  return (is_folder ? snapshot : snapshot / choice->entry).string();
}

std::optional<std::string> find_in_ollama(const std::string& name) {
  const std::size_t colon = name.find(':');
  const std::string base = name.substr(0, colon),
                    tag = colon == std::string::npos ? "latest" : name.substr(colon + 1);
  const std::string path =
      (base.find('/') == std::string::npos ? "library/" + base : base) + "/" + tag;
  if (!is_safe_relative(path)) return std::nullopt;
  for (const fs::path& folder : ollama_folders()) {
    const Result<std::string> text =
        read_file(folder / "manifests" / "registry.ollama.ai" / path, 1u << 20);
    if (!text) continue;
    const Result<json::value> manifest = parse_json(*text);
    const json::array* layers = manifest ? find_array(*manifest, "layers") : nullptr;
    if (!layers) continue;
    for (const json::value& layer : *layers) {
      const json::string* type = find_string(layer, "mediaType");
      const json::string* digest = find_string(layer, "digest");
      const json::value* size = find(layer, "size");
      if (!type || *type != "application/vnd.ollama.image.model" || !digest ||
          !digest->starts_with("sha256:"))
        continue;
      const Digest hash = sha256_digest(std::string_view(*digest).substr(7));
      if (hash.kind == Digest::Kind::kNone) continue;
      const fs::path blob = ollama_blob(folder, hash.hex);
      std::error_code failed;
      const std::uintmax_t found = fs::file_size(blob, failed);
      const bool whole = !failed && (!size || !size->is_int64() ||
                                     static_cast<std::int64_t>(found) == size->get_int64());
      if (whole) return blob.string();
    }
  }
  return std::nullopt;
}

std::optional<std::string> find_in_ollama(const Source& source) {
  if (source.is_short_name) return find_in_ollama(source.name);
  std::error_code ignored;
  if (!source.sha256.empty())
    for (const fs::path& folder : ollama_folders())
      if (const fs::path blob = ollama_blob(folder, source.sha256); fs::exists(blob, ignored))
        return blob.string();
  return std::nullopt;
}

}  // namespace pronk::hub
