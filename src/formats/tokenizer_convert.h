// Tokenizers from one file format to another. GGUF's form is the hub: every kind turns into it, and
// it turns into Hugging Face's files.
#pragma once
#include <string>
#include <string_view>
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

// Llama 3's tiktoken file: its tokens by rank, Meta's names of the 256 specials behind them, and
// the merges that the ranks imply (for each token every way to split it into two others).
struct TiktokenVocabulary {
  std::vector<std::string> tokens;  // raw bytes
  std::vector<std::string> specials;
};
Result<TiktokenVocabulary> parse_tiktoken(std::string_view text);

// Byte-level BPE writes each byte as one printable character (GPT-2's table).
std::string bytes_to_characters(std::string_view bytes);

}  // namespace pronk
