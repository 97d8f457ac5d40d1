// SentencePiece vocabularies, whatever file they come in: tokenizer.model, GGUF, llama2.c.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/sentencepiece_file.h"
#include "pronk/result.h"
#include "tokenizer/parts.h"

namespace pronk {

struct SentencePieces {
  std::vector<SentencePieceFile::Piece> pieces;
  bool unigram = false;
  bool byte_fallback = false;
  std::optional<std::string> unknown_text;  // what the unknown token decodes to, if not its text
  // Its spaces, prefix and map; `kept` is filled here.
  Normalizer normalizer;
};

// Vocabulary, merges or scores, special tokens and spaces. Errors: kCorruptData, kUnsupported.
Result<TokenizerParts> make_sentencepiece_parts(SentencePieces model);

// "▁" as a space.
std::string with_spaces(std::string_view text);
// "<0x0A>" is the byte 10; nothing when the text has another form.
std::optional<char> byte_of_piece(std::string_view text);

}  // namespace pronk
