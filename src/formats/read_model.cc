// Which reader a path needs: the bytes decide.
#include <fmt/format.h>

#include "base/bytes.h"
#include "formats/gguf_reader.h"
#include "formats/model_source.h"
#include "formats/tokenizer_files.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

Status read_file_model(const fs::path& path, const ReadOptions& options, ModelSource* source) {
  const auto file = PRONK_TRY(MappedFile::open(path));
  if (begins_with(file->bytes(), "GGUF")) return read_gguf(path, options, source);
  return error(
      Code::kUnsupported,
      "not a model file that is known here: GGUF, a Hugging Face or Meta folder, llama2.c's .bin");
}

Status read_any(const fs::path& path, const ReadOptions& options, ModelSource* source) {
  return read_file_model(path, options, source);
}

}  // namespace

Result<std::shared_ptr<const ModelSource>> read_model(const fs::path& path,
                                                      const ReadOptions& options) {
  auto source = std::make_shared<ModelSource>();
  source->path = path;
  PRONK_TRY_IN(fmt::format("read model '{}'", path.string()),
               read_any(path, options, source.get()));
  return std::shared_ptr<const ModelSource>(std::move(source));
}

Result<TokenizerSource> read_tokenizer(const fs::path& path) {
  const auto file = PRONK_TRY(MappedFile::open(path));
  if (begins_with(file->bytes(), "GGUF")) {
    std::vector<std::string> notes;
    return read_gguf_tokenizer(PRONK_TRY(GgufFile::parse(file->bytes())), &notes);
  }
  TokenizerSource source;
  source.bytes = PRONK_TRY(read_file(path));
  source.kind =
      PRONK_TRY_IN(fmt::format("read tokenizer '{}'", path.string()), tokenizer_kind(source.bytes));
  return source;
}

}  // namespace pronk
