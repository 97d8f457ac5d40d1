// Which reader a path needs: the bytes decide, not the name.
#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "formats/advice.h"
#include "formats/assemble.h"
#include "formats/gguf_reader.h"
#include "formats/hf_reader.h"
#include "formats/llama2c_reader.h"
#include "formats/llama2c_tokenizer.h"
#include "formats/meta_reader.h"
#include "formats/model_source.h"
#include "formats/packed_file.h"
#include "formats/tokenizer_files.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "GGUF", 4) == 0;
}

// Why a single file's bytes are none that is_gguf and its like know, by the name that it has.
Error not_a_model(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".gguf") || name.ends_with(".pronk"))
    return error(Code::kCorruptData, "its first bytes are not those that its name promises");
  if (name.ends_with(".bin"))
    return error(Code::kCorruptData,
                 "its size is not what the header of a llama2.c file calls for");
  if (name.ends_with(".safetensors") || name.ends_with(".pth") || name == "config.json" ||
      name == "params.json")
    return error(Code::kUnsupported, "one file of a model folder; give the folder");
  return error(Code::kUnsupported,
               "not a model that is known here: a GGUF file, a Hugging Face or Meta folder, a "
               "llama2.c .bin file, a file of pronk pack");
}

Status read_single_file(const fs::path& path, const ReadOptions& options, ModelSource* source) {
  const auto file = PRONK_TRY(MappedFile::open(path));
  if (is_gguf(file->bytes())) return read_gguf(path, options, source);
  if (is_packed(file->bytes())) return read_packed(path, options, source);
  if (is_llama2c(file->bytes())) return read_llama2c(path, options, source);
  return not_a_model(path);
}

// A GGUF, of a split set the first; a llama2.c file.
bool is_model_name(const std::string& name) {
  const std::size_t part = name.find("-of-");
  const bool is_later_part =
      part != std::string::npos && part >= 5 && name.substr(part - 5, 5) != "00001";
  return (name.ends_with(".gguf") && !is_later_part) ||
         (name.ends_with(".bin") && !name.starts_with("tok"));
}

// The only model file of a folder. A packed file is mostly a copy of what lies beside it, and so
// counts where there is nothing else.
Result<fs::path> only_file(const fs::path& folder) {
  std::set<fs::path> models, packed;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (is_model_name(name)) models.insert(entry.path());
    if (name.ends_with(".pronk")) packed.insert(entry.path());
  }
  const std::set<fs::path>& found = models.empty() ? packed : models;
  if (found.size() == 1) return *found.begin();
  if (found.empty())
    return error(Code::kNotFound,
                 "the folder holds no config.json, params.json, .gguf, .bin or .pronk; give a "
                 "model's folder");
  return error(Code::kInvalidArgument,
               fmt::format("the folder holds {} models; give one of them, such as '{}'",
                           found.size(), found.begin()->filename().string()));
}

Status read_folder(const fs::path& folder, const ReadOptions& options, ModelSource* source) {
  std::error_code failure;
  if (fs::exists(folder / "config.json", failure)) return read_hf_folder(folder, options, source);
  if (fs::exists(folder / "params.json", failure)) return read_meta_folder(folder, options, source);
  return read_single_file(PRONK_TRY(only_file(folder)), options, source);
}

Status read_any(const fs::path& path, const ReadOptions& options, ModelSource* source) {
  std::error_code failure;
  return fs::is_directory(path, failure) ? read_folder(path, options, source)
                                         : read_single_file(path, options, source);
}

// The folder's or file's own name, for models that carry none.
std::string name_of(const fs::path& path) {
  std::error_code failure;
  fs::path whole = fs::absolute(path, failure).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  return whole.stem().string();
}

// A tokenizer's own file.
Result<TokenizerSource> read_bare_tokenizer(const fs::path& path) {
  TokenizerSource source;
  constexpr std::size_t kMaxBytes = 256u << 20;
  source.bytes = PRONK_TRY(read_file(path, kMaxBytes));
  if (path.extension() == ".bin" && parse_llama2c_tokens(source.bytes)) {
    source.kind = TokenizerSource::Kind::kLlama2c;
    source.unknown = 0, source.bos = 1, source.eos = 2;
    source.add_bos = true;
  } else {
    source.kind = PRONK_TRY(tokenizer_kind(source.bytes));
  }
  return source;
}

Result<TokenizerSource> read_any_tokenizer(const fs::path& path) {
  std::error_code failure;
  ModelSource source;
  if (fs::is_directory(path, failure)) {
    PRONK_TRY(read_folder_texts(path, &source));
    if (source.tokenizer.kind != TokenizerSource::Kind::kNone) return source.tokenizer;
    PRONK_TRY(read_folder(path, {.weights = false}, &source));
    return source.tokenizer;
  }
  const auto file = PRONK_TRY(MappedFile::open(path));
  if (is_gguf(file->bytes())) {
    const GgufFile gguf = PRONK_TRY(GgufFile::parse(file->bytes()));
    return read_gguf_tokenizer(gguf, &source.notes);
  }
  if (is_packed(file->bytes()) || is_llama2c(file->bytes())) {
    PRONK_TRY(read_single_file(path, {.weights = false}, &source));
    return source.tokenizer;
  }
  return read_bare_tokenizer(path);
}

}  // namespace

Result<std::shared_ptr<ModelSource>> read_model(const fs::path& path, const ReadOptions& options) {
  auto source = std::make_shared<ModelSource>();
  source->path = path;
  PRONK_TRY_IN(fmt::format("read model '{}'", path.string()),
               advised(read_any(path, options, source.get())));
  keep_possible(&source->generation, &source->notes);
  PRONK_TRY_IN("read model", source->check_intact());
  if (source->config.name.empty()) source->config.name = name_of(path);
  return source;
}

Result<TokenizerSource> read_tokenizer(const fs::path& path) {
  TokenizerSource source = PRONK_TRY_IN(fmt::format("read tokenizer '{}'", path.string()),
                                        advised(read_any_tokenizer(path)));
  if (source.kind == TokenizerSource::Kind::kNone)
    return error(Code::kNotFound,
                 fmt::format("read tokenizer '{}': the model carries no tokenizer", path.string()));
  return source;
}

}  // namespace pronk
