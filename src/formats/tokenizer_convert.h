// Tokenizers from one file format to another. GGUF's form is the hub: every kind turns into it, and
// it turns into Hugging Face's files.
#pragma once
#include <string>
#include <vector>

#include "formats/model_source.h"

namespace pronk {

// The same tokenizer as Kind::kGguf with `vocab_size` tokens, as many as the embedding has rows
// ("[PAD7]" fills up). Errors: kUnsupported when GGUF has no way to say it, with the reason.
Result<TokenizerSource> to_gguf_tokenizer(const TokenizerSource& source, int vocab_size);

struct NamedFile {
  std::string name, bytes;
};

// tokenizer.json or tokenizer.model, and tokenizer_config.json with the chat templates.
Result<std::vector<NamedFile>> to_hf_tokenizer(const ModelSource& source);

}  // namespace pronk
