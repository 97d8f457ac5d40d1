// SentencePiece's tokenizer.model: a protobuf ModelProto (sentencepiece_model.proto).
//
//   field  message          what is read of it
//   1      SentencePiece*   1 piece, 2 score (float), 3 type (1 normal, 2 unknown, 3 control,
//                           4 user-defined, 5 unused, 6 byte)
//   2      TrainerSpec      3 model_type (1 unigram, 2 bpe, 3 word, 4 char),
//                           24 treat_whitespace_as_suffix, 35 byte_fallback,
//                           40..42 unk, bos, eos id, 44 unk_surface
//   3      NormalizerSpec   2 precompiled_charsmap, 3 add_dummy_prefix, 4
//                           remove_extra_whitespaces, 5 escape_whitespaces (the last three true
//                           unless said)
#include <fmt/format.h>

#include "tokenizer/parts.h"
#include "tokenizer/protobuf.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

namespace {

using Wire = ProtoField::Wire;

struct Specs {
  int model_type = 1;
  bool whitespace_as_suffix = false;
  bool byte_fallback = false;
  std::int64_t bos = 1, eos = 2;                   // -1: none
  std::string unknown_surface = " \xE2\x81\x87 ";  // " ⁇ "
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  std::string_view character_map;
};

Result<SentencePieces::Piece> read_piece(std::string_view message, std::size_t id) {
  SentencePieces::Piece piece;
  for (ProtoReader reader(message); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(1, Wire::kBytes)) piece.text = f.bytes;
    if (f.is(2, Wire::kFixed32)) piece.score = f.as_float();
    if (f.is(3, Wire::kVarint)) {
      if (f.value < 1 || f.value > 6)
        return error(Code::kCorruptData,
                     fmt::format("token {} has type {}, known are 1 to 6", id, f.value));
      piece.type = static_cast<TokenType>(f.value);
    }
  }
  return piece;
}

Status read_trainer_spec(std::string_view message, Specs& specs) {
  for (ProtoReader reader(message); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(3, Wire::kVarint)) specs.model_type = static_cast<int>(f.value);
    if (f.is(24, Wire::kVarint)) specs.whitespace_as_suffix = f.value != 0;
    if (f.is(35, Wire::kVarint)) specs.byte_fallback = f.value != 0;
    if (f.is(41, Wire::kVarint)) specs.bos = static_cast<std::int32_t>(f.value);
    if (f.is(42, Wire::kVarint)) specs.eos = static_cast<std::int32_t>(f.value);
    if (f.is(44, Wire::kBytes)) specs.unknown_surface = f.bytes;
  }
  return Ok{};
}

Status read_normalizer_spec(std::string_view message, Specs& specs) {
  for (ProtoReader reader(message); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(2, Wire::kBytes)) specs.character_map = f.bytes;
    if (f.is(3, Wire::kVarint)) specs.add_dummy_prefix = f.value != 0;
    if (f.is(4, Wire::kVarint)) specs.remove_extra_whitespaces = f.value != 0;
    if (f.is(5, Wire::kVarint)) specs.escape_whitespaces = f.value != 0;
  }
  return Ok{};
}

// bos and eos are ids of control tokens, where the vocabulary is long enough to have them.
std::optional<TokenId> control_token(const Vocabulary& vocabulary, std::int64_t id) {
  if (id < 0 || id >= vocabulary.size()) return std::nullopt;
  const auto token = static_cast<TokenId>(id);
  return vocabulary.type(token) == TokenType::kControl ? std::optional(token) : std::nullopt;
}

}  // namespace

Result<TokenizerParts> read_sentencepiece(const TokenizerSource& source) {
  SentencePieces model;
  Specs specs;
  for (ProtoReader reader(source.bytes); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(1, Wire::kBytes))
      model.pieces.push_back(PRONK_TRY(read_piece(f.bytes, model.pieces.size())));
    if (f.is(2, Wire::kBytes)) PRONK_TRY_IN("trainer_spec", read_trainer_spec(f.bytes, specs));
    if (f.is(3, Wire::kBytes))
      PRONK_TRY_IN("normalizer_spec", read_normalizer_spec(f.bytes, specs));
  }
  if (model.pieces.empty() || model.pieces.size() > kMaxTokens)
    return error(Code::kCorruptData,
                 fmt::format("SentencePiece model: {} tokens", model.pieces.size()));
  if (specs.model_type != 1 && specs.model_type != 2)
    return error(
        Code::kUnsupported,
        fmt::format("SentencePiece model type {} ({}): built are unigram and bpe", specs.model_type,
                    specs.model_type == 3   ? "word"
                    : specs.model_type == 4 ? "char"
                                            : "unknown"));
  if (!specs.escape_whitespaces)
    return error(Code::kUnsupported, "SentencePiece model with escape_whitespaces = false");

  model.unigram = specs.model_type == 1;
  model.byte_fallback = specs.byte_fallback;
  model.unknown_text = specs.unknown_surface;
  model.normalizer.space_prefix =
      specs.add_dummy_prefix ? Normalizer::Prefix::kAlways : Normalizer::Prefix::kNever;
  model.normalizer.prefix_is_suffix = specs.whitespace_as_suffix;
  model.normalizer.remove_extra_spaces = specs.remove_extra_whitespaces;
  if (!specs.character_map.empty())
    model.normalizer.map = PRONK_TRY(CharacterMap::parse(specs.character_map));
  TokenizerParts parts = PRONK_TRY(make_sentencepiece_parts(std::move(model)));
  parts.bos = control_token(parts.vocabulary, specs.bos);
  parts.eos = control_token(parts.vocabulary, specs.eos);
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
