// Which files of a repository make the model that was asked for.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "hub/fetch_plan.h"

namespace pronk::hub {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  return out;
}

std::string_view file_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}
bool in_root(std::string_view path) { return path.find('/') == path.npos; }
bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return name.ends_with(end); });
}

// "model-Q4_K_M-00002-of-00003.gguf" -> "model-Q4_K_M"; the whole stem when it is no part.
std::string split_stem(std::string_view name) {
  constexpr std::size_t kPart = sizeof("-00001-of-00003") - 1;
  std::string_view stem = name.substr(0, name.size() - 5);
  if (stem.size() > kPart && stem.substr(stem.size() - 9, 4) == "-of-" &&
      stem[stem.size() - kPart] == '-')
    stem.remove_suffix(kPart);
  return std::string(stem);
}

// Whether `quant` stands in the name between separators: Q4_K is not in "Q4_K_M".
bool names_quant(std::string_view stem, const std::string& quant) {
  const std::string text = upper(stem), wanted = upper(quant);
  const auto separates = [&](std::size_t i) {
    return i >= text.size() || text[i] == '-' || text[i] == '.' || text[i] == '/';
  };
  for (std::size_t at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1))
    if ((at == 0 || separates(at - 1)) && separates(at + wanted.size())) return true;
  return false;
}

Choice with_licences(std::vector<std::string> files, std::string entry,
                     const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (in_root(name) && is_licence_file(name) &&
        std::find(files.begin(), files.end(), name) == files.end())
      files.push_back(name);
  return {std::move(files), std::move(entry)};
}

// A quantization was asked for; weights of another kind under its name would be a lie.
Error no_gguf_at_all(const Source& source, const std::vector<std::string>& names) {
  std::vector<std::string_view> kinds;
  for (const std::string_view kind : {".safetensors", ".pth", ".bin"})
    if (std::any_of(names.begin(), names.end(),
                    [&](const std::string& name) { return name.ends_with(kind); }))
      kinds.push_back(kind);
  return error(Code::kNotFound,
               fmt::format("'{}' has no .gguf, so none for '{}'; its weights are {}; leave ':{}' "
                           "away, or name a repository with GGUF files",
                           source.place, source.quant,
                           kinds.empty() ? "not there" : fmt::format("{}", fmt::join(kinds, ", ")),
                           source.quant));
}

Result<Choice> choose_gguf(const Source& source, const std::vector<std::string>& names) {
  std::set<std::string> stems;
  for (const std::string& name : names)
    if (name.ends_with(".gguf") && !file_name(name).starts_with("mmproj"))
      stems.insert(split_stem(name));
  std::string chosen;
  if (!source.quant.empty()) {
    for (const std::string& stem : stems)
      if (names_quant(stem, source.quant)) chosen = stem;
    if (chosen.empty())
      return error(Code::kNotFound,
                   fmt::format("'{}' has no file for '{}'; it has {}", source.place, source.quant,
                               fmt::join(stems, ", ")));
  } else if (stems.size() == 1) {
    chosen = *stems.begin();
  } else {
    for (const char* quant : {"Q4_0", "Q8_0", "Q4_K_M"})  // the last one found wins
      for (const std::string& stem : stems)
        if (names_quant(stem, quant)) chosen = stem;
    if (chosen.empty())
      return error(Code::kInvalidArgument,
                   fmt::format("'{}' has many files: {}; choose one with hf://{}/FILE",
                               source.place, fmt::join(stems, ", "), source.place));
  }
  std::vector<std::string> files;
  for (const std::string& name : names)
    if (name.ends_with(".gguf") && split_stem(name) == chosen) files.push_back(name);
  std::sort(files.begin(), files.end());
  const std::string entry = files.front();
  return with_licences(std::move(files), entry, names);
}

// config.json, safetensors and what belongs to them, without a second copy in another layout.
Choice choose_safetensors(const std::vector<std::string>& names) {
  const bool has_model = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return in_root(name) && name.starts_with("model") && name.ends_with(".safetensors");
  });
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (!in_root(name)) continue;
    const bool weights =
        name.ends_with(".safetensors") && (!has_model || name.starts_with("model"));
    const bool texts = ends_with_any(name, {".json", ".jinja", ".model", ".txt"}) &&
                       !name.starts_with("pytorch_model") && !name.starts_with("tf_model") &&
                       !name.starts_with("flax_model");
    if (weights || texts) files.push_back(name);
  }
  return with_licences(std::move(files), "", names);
}

// Meta's own layout, in the root or in original/.
Choice choose_meta(const std::vector<std::string>& names, std::string_view folder) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (!name.starts_with(folder) || !in_root(std::string_view(name).substr(folder.size())))
      continue;
    if (ends_with_any(name, {".pth", "params.json", "tokenizer.model"})) files.push_back(name);
  }
  return with_licences(std::move(files),
                       std::string(folder.substr(0, folder.size() - !folder.empty())), names);
}

}  // namespace

bool is_licence_file(std::string_view name) {
  const std::string text = upper(file_name(name));
  return text.starts_with("LICENSE") || text.starts_with("LICENCE") ||
         text.starts_with("USE_POLICY") || text.starts_with("NOTICE");
}

Result<Choice> choose_files(const Source& source, const std::vector<std::string>& names) {
  const auto has = [&](auto&& wanted) { return std::any_of(names.begin(), names.end(), wanted); };
  if (!source.file.empty()) {
    if (!has([&](const std::string& name) { return name == source.file; }))
      return error(Code::kNotFound,
                   fmt::format("'{}' has no file '{}'", source.place, source.file));
    if (!source.file.ends_with(".gguf")) return with_licences({source.file}, source.file, names);
    Source only = source;
    std::vector<std::string> parts;
    for (const std::string& name : names)
      if (name == source.file ||
          (name.ends_with(".gguf") && split_stem(name) == split_stem(source.file)) ||
          is_licence_file(name))
        parts.push_back(name);
    only.quant.clear();
    return choose_gguf(only, parts);
  }
  const bool gguf = has([](const std::string& name) { return name.ends_with(".gguf"); });
  if (!source.quant.empty()) {
    if (!gguf) return no_gguf_at_all(source, names);
    return choose_gguf(source, names);
  }
  if (has([](const std::string& name) { return in_root(name) && name.ends_with(".safetensors"); }))
    return choose_safetensors(names);
  if (gguf) return choose_gguf(source, names);
  for (const std::string_view folder : {"", "original/"})
    if (has([&](const std::string& name) {
          return name.starts_with(folder) && name.ends_with(".pth") &&
                 in_root(std::string_view(name).substr(folder.size()));
        }))
      return choose_meta(names, folder);
  return error(Code::kUnsupported,
               fmt::format("'{}' has no safetensors, .gguf or consolidated .pth; pronk reads these",
                           source.place));
}

}  // namespace pronk::hub
