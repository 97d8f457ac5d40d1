// GGUF files of Llama models become a ModelSource.
#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "formats/gguf_file.h"
#include "formats/model_source.h"

namespace pronk {

// A file, or any file of a split set ("-00002-of-00003.gguf"), whose others lie beside it.
Status read_gguf(const std::filesystem::path& path, const ReadOptions& options,
                 ModelSource* source);

// The same from bytes already there: the files of a set in order. Fills everything but
// source->files.
Status read_gguf_files(std::span<const std::span<const std::byte>> files,
                       const ReadOptions& options, ModelSource* source);

// What every vocabulary of kind kGguf must keep: tokens, a score and a type for each or for none.
Status check_gguf_tokenizer(const TokenizerSource& tokenizer);

// Only tokenizer.*, of any architecture.
Result<TokenizerSource> read_gguf_tokenizer(const GgufFile& file, std::vector<std::string>* notes);

}  // namespace pronk
