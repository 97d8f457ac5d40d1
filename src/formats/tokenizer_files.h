// Tokenizer files by themselves: which kind the bytes are, and how many tokens they hold.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "formats/model_source.h"

namespace pronk {

// "tokenizer.model" is tiktoken's text (base64, space, rank) or SentencePiece's protobuf;
// "tokenizer.json" is Hugging Face's; the bytes decide. kUnsupported for anything else.
Result<TokenizerSource::Kind> tokenizer_kind(std::string_view bytes);

// How many token ids the source defines (the highest and one); nothing where only reading it whole
// would tell (tokenizer.json, whose Tokenizer checks its own).
Result<std::optional<std::int64_t>> count_tokens(const TokenizerSource& source);

}  // namespace pronk
