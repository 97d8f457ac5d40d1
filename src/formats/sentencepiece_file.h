// SentencePiece's tokenizer.model, a protobuf: the parts that a tokenizer of Llama's kind needs.
//
//   field                    meaning
//   1 (repeated)             piece: 1 text, 2 score (f32), 3 type (as GGUF's token types; 1 if
//   absent) 2.3                      trainer: kind of model, 1 unigram, 2 BPE 2.35, 2.40 to 2.43
//   trainer: byte fallback; ids of unknown (0), BOS (1), EOS (2), padding (-1) 3.3, 3.4, 3.5
//   normalizer: dummy prefix, removing extra whitespace, escaping (all true)
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk {

struct SentencePieceFile {
  struct Piece {
    std::string text;
    float score = 0;
    std::int32_t type = 1;
  };
  std::vector<Piece> pieces;
  bool is_bpe = false;
  std::int32_t unknown = 0, bos = 1, eos = 2, padding = -1;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true;
};

Result<SentencePieceFile> parse_sentencepiece(std::string_view bytes);
std::string write_sentencepiece(const SentencePieceFile& file);

}  // namespace pronk
