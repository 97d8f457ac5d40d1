// The small files of a model folder: tokenizer, templates, generation defaults, licence.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "formats/hf_config.h"
#include "formats/hf_reader.h"
#include "formats/tokenizer_files.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTokenizer = 256u << 20, kMaxText = 16u << 20;

bool has_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Status read_tokenizer_file(const fs::path& folder, TokenizerSource* tokenizer) {
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (!has_file(folder / name)) continue;
    tokenizer->bytes = PRONK_TRY(read_file(folder / name, kMaxTokenizer));
    tokenizer->kind = PRONK_TRY_IN(name, tokenizer_kind(tokenizer->bytes));
    return Ok{};
  }
  return Ok{};
}

void add_template(std::string name, std::string text, ModelSource* source) {
  for (const ChatTemplateSource& known : source->chat_templates)
    if (known.name == name) return;  // what came first wins
  source->chat_templates.push_back({std::move(name), std::move(text)});
}

// A string, or a list of {"name": ..., "template": ...}.
void add_templates(const json::value& config, ModelSource* source) {
  if (const json::string* text = find_string(config, "chat_template"))
    return add_template("default", std::string(*text), source);
  const json::array* list = find_array(config, "chat_template");
  if (!list) return;
  for (const json::value& item : *list) {
    const json::string* name = find_string(item, "name");
    const json::string* text = find_string(item, "template");
    if (name && text) add_template(std::string(*name), std::string(*text), source);
  }
}

// Files win over tokenizer_config.json, as in transformers.
Status read_template_files(const fs::path& folder, ModelSource* source) {
  if (has_file(folder / "chat_template.jinja"))
    add_template("default", PRONK_TRY(read_file(folder / "chat_template.jinja", kMaxText)), source);
  std::error_code ignored;
  std::set<fs::path> named;
  for (const auto& entry : fs::directory_iterator(folder / "additional_chat_templates", ignored))
    if (entry.path().extension() == ".jinja") named.insert(entry.path());
  for (const fs::path& path : named)
    add_template(path.stem().string(), PRONK_TRY(read_file(path, kMaxText)), source);
  return Ok{};
}

// "license: apache-2.0" in the front matter of README.md, else the licence file's text.
Status read_licence(const fs::path& folder, ModelSource* source) {
  if (has_file(folder / "README.md")) {
    const std::string readme = PRONK_TRY(read_file(folder / "README.md", kMaxText));
    const std::size_t end = readme.starts_with("---") ? readme.find("\n---", 3) : 0;
    const std::string_view front =
        std::string_view(readme).substr(0, end == std::string::npos ? 0 : end);
    constexpr std::string_view kKey = "\nlicense: ";
    if (const std::size_t at = front.find(kKey); at != std::string_view::npos) {
      const std::string_view rest = front.substr(at + kKey.size());
      source->licence = std::string(rest.substr(0, rest.find_first_of("\r\n")));
      return Ok{};
    }
  }
  for (const char* name : {"LICENSE", "LICENSE.txt", "LICENSE.md"})
    if (has_file(folder / name)) {
      source->licence = PRONK_TRY(read_file(folder / name, kMaxText));
      return Ok{};
    }
  return Ok{};
}

}  // namespace

Result<json::value> read_json_file(const fs::path& path) {
  if (!has_file(path)) return json::value();
  const std::string text = PRONK_TRY(read_file(path, kMaxTokenizer));
  return PRONK_TRY_IN(path.filename().string(), parse_json(text));
}

Status read_folder_texts(const fs::path& folder, ModelSource* source) {
  TokenizerSource& tokenizer = source->tokenizer;
  PRONK_TRY(read_tokenizer_file(folder, &tokenizer));
  PRONK_TRY(read_template_files(folder, source));

  if (has_file(folder / "tokenizer_config.json")) {
    tokenizer.tokenizer_config_json =
        PRONK_TRY(read_file(folder / "tokenizer_config.json", kMaxText));
    const json::value config =
        PRONK_TRY_IN("tokenizer_config.json", parse_json(tokenizer.tokenizer_config_json));
    add_templates(config, source);
    tokenizer.add_bos = find_bool(config, "add_bos_token");
    tokenizer.add_eos = find_bool(config, "add_eos_token");
    tokenizer.add_space_prefix = find_bool(config, "add_prefix_space");
  }
  read_hf_token_ids(PRONK_TRY(read_json_file(folder / "config.json")), &tokenizer);
  const json::value generation = PRONK_TRY(read_json_file(folder / "generation_config.json"));
  read_hf_token_ids(generation, &tokenizer);
  source->generation = read_hf_generation(generation);
  return read_licence(folder, source);
}

}  // namespace pronk
