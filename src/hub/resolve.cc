// From what a user calls a model to where it lies, without fetching anything.
#include <fmt/format.h>

#include <algorithm>

#include "hub/checksum.h"
#include "hub/environment.h"
#include "hub/fetch_plan.h"
#include "hub/known_models.h"
#include "hub/store.h"

namespace pronk::hub {
namespace fs = std::filesystem;
namespace {

// models/tiny.gguf: beside an installed program, beside a build folder, or where pronk was built.
Result<fs::path> find_tiny() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed).parent_path();
  for (const fs::path& folder :
       {program / ".." / "share" / "pronk", program / ".." / ".." / "models",
        fs::path(PRONK_SOURCE_DIR) / "models"})
    if (fs::exists(folder / "tiny.gguf", failed)) return (folder / "tiny.gguf").lexically_normal();
  return error(Code::kNotFound,
               fmt::format("model 'tiny': models/tiny.gguf is neither near '{}' nor in '{}'",
                           program.string(), PRONK_SOURCE_DIR));
}

// What the store calls the thing that was typed: itself, or what its source is stored under.
Result<std::optional<Manifest>> find_stored(const std::string& model) {
  auto stored = PRONK_TRY(read_manifest(model));
  if (stored) return stored;
  const Result<Source> source = parse_source(model);
  if (!source) return stored;
  stored = PRONK_TRY(read_manifest(source->name));
  // Another source's file may have the same name.
  if (stored && !source->is_short_name && stored->source != source->canonical()) stored.reset();
  return stored;
}

Error not_found(const std::string& model) {
  const Result<Source> source = parse_source(model);
  if (!source && source.error().code == Code::kInvalidArgument) return source.error();
  if (source && source->kind != SourceKind::kLocal)
    return error(
        Code::kNotFound,
        fmt::format("model '{}': not here yet; fetch it with 'pronk pull {}'", model, model));
  std::string nearest = nearest_known_name(model);
  if (const auto stored = list())
    for (const StoredModel& candidate : *stored)
      if (candidate.name.starts_with(model)) nearest = candidate.name;
  const std::string advice = nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest);
  return error(Code::kNotFound, fmt::format("model '{}': no such file, and no stored model of that "
                                            "name; {}'pronk list' shows what is here, "
                                            "'pronk pull NAME' fetches",
                                            model, advice));
}

}  // namespace

Result<fs::path> resolve(const std::string& model) {
  std::error_code failed;
  if (model.empty())
    return error(Code::kInvalidArgument, "model: its name is empty; give a path or a name");
  if (fs::exists(model, failed)) return fs::path(model);
  if (model == "tiny") return find_tiny();
  if (const auto stored = PRONK_TRY(find_stored(model))) {
    const StoredModel found = stored_model(*stored);
    if (fs::exists(found.path, failed)) {
      if (const Result<Source> source = parse_source(model))
        PRONK_TRY_IN(fmt::format("model '{}'", model), check_sha256(*source, found.path));
      return found.path;
    }
    return error(
        Code::kNotFound,
        fmt::format("model '{}': its file '{}' is gone; 'pronk rm {}' forgets it, 'pronk pull {}' "
                    "fetches it again",
                    model, found.path.string(), found.name, model));
  }
  if (const auto blob = find_in_ollama(model)) return fs::path(*blob);
  if (const Result<Source> source = parse_source(model);
      source && source->kind == SourceKind::kHuggingFace)
    if (const auto cached = find_in_hf_cache(*source)) return fs::path(*cached);
  return not_found(model);
}

Result<StoredModel> show(const std::string& name) {
  if (const auto stored = PRONK_TRY(find_stored(name))) return stored_model(*stored);
  return error(
      Code::kNotFound,
      fmt::format("model '{}': the store has none of that name; 'pronk list' shows what it has",
                  name));
}

}  // namespace pronk::hub
