// SentencePiece's tokenizer.model (formats/sentencepiece_file.h), unigram and BPE.
#include "formats/sentencepiece_file.h"
#include "tokenizer/parts.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

namespace {

// bos and eos are ids of control tokens, where the vocabulary is long enough to have them.
std::optional<TokenId> control_token(const Vocabulary& vocabulary, TokenId id) {
  const bool is_control = vocabulary.contains(id) && vocabulary.type(id) == TokenType::kControl;
  return is_control ? std::optional(id) : std::nullopt;
}

}  // namespace

Result<TokenizerParts> read_sentencepiece(const TokenizerSource& source) {
  SentencePieceFile file = PRONK_TRY(parse_sentencepiece(source.bytes));
  SentencePieces model;
  model.pieces = std::move(file.pieces);
  model.unigram = file.model_type == SentencePieceFile::kUnigram;
  model.byte_fallback = file.byte_fallback;
  model.unknown_text = file.unknown_surface;
  model.normalizer.space_prefix =
      file.add_dummy_prefix ? Normalizer::Prefix::kAlways : Normalizer::Prefix::kNever;
  model.normalizer.prefix_is_suffix = file.whitespace_as_suffix;
  model.normalizer.remove_extra_spaces = file.remove_extra_whitespaces;
  if (!file.character_map.empty())
    model.normalizer.map = PRONK_TRY(CharacterMap::parse(file.character_map));
  TokenizerParts parts = PRONK_TRY(make_sentencepiece_parts(std::move(model)));
  parts.bos = control_token(parts.vocabulary, file.bos);
  parts.eos = control_token(parts.vocabulary, file.eos);
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
