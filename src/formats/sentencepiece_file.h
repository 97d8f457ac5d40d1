// SentencePiece's tokenizer.model: a protobuf ModelProto (sentencepiece_model.proto).
//
//   field  message          what is read of it
//   1      SentencePiece*   1 text, 2 score (float), 3 type (TokenType's numbers; 1 if absent)
//   2      TrainerSpec      3 model_type (1 unigram, 2 bpe, 3 word, 4 char),
//                           24 treat_whitespace_as_suffix, 35 byte_fallback,
//                           40..43 unknown (0), BOS (1), EOS (2), padding (-1) id, 44 unk_surface
//   3      NormalizerSpec   2 precompiled_charsmap, 3 add_dummy_prefix, 4
//                           remove_extra_whitespaces, 5 escape_whitespaces (the last three true
//                           unless said)
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/token_type.h"
#include "pronk/result.h"

namespace pronk {

struct SentencePieceFile {
  struct Piece {
    std::string text;  // with "▁" for a space; a byte piece is "<0x0A>"
    float score = 0;
    TokenType type = TokenType::kNormal;
  };
  static constexpr int kUnigram = 1, kBpe = 2;  // of model_type

  std::vector<Piece> pieces;
  int model_type = kUnigram;
  bool whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::int32_t unknown = 0, bos = 1, eos = 2, padding = -1;  // -1: none
  std::string unknown_surface = " \xE2\x81\x87 ";            // " ⁇ "
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  std::string character_map;  // precompiled_charsmap
};

// kCorruptData: a broken protobuf, a piece of an unknown type, no pieces or too many. kUnsupported:
// a model of words or characters, or one that keeps spaces as they are.
Result<SentencePieceFile> parse_sentencepiece(std::string_view bytes);
// Without unknown_surface and character_map.
std::string write_sentencepiece(const SentencePieceFile& file);

}  // namespace pronk
