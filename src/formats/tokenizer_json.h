// Hugging Face's tokenizer.json of byte-level BPE tokenizers, from and to GGUF's form.
#pragma once
#include <string>
#include <string_view>

#include "formats/model_source.h"

namespace pronk {

// Fills tokens, token_types, merges, gguf_pre and add_bos. kUnsupported for another kind of model
// or a split rule that GGUF has no name for here.
Result<TokenizerSource> tokenizer_from_json(std::string_view text);

// `source` is Kind::kGguf with gguf_model "gpt2".
Result<std::string> tokenizer_to_json(const TokenizerSource& source);

}  // namespace pronk
