#include "tokenizer/sentencepiece_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "text/utf8.h"

namespace pronk {

namespace {

using Piece = SentencePieceFile::Piece;
constexpr float kUnknownPenalty = 10;

Status add_piece(const SentencePieces& model, const Piece& piece, TokenizerParts& parts) {
  const TokenId id = parts.vocabulary.size();
  const auto broken = [&](std::string_view why) {
    return error(Code::kCorruptData,
                 fmt::format("token {} '{}' {}", id, printable(piece.text), why));
  };
  if (!std::isfinite(piece.score)) return broken("has a score that is no number");
  switch (piece.type) {
    case TokenType::kByte: {
      const std::optional<char> byte = byte_of_piece(piece.text);
      if (!byte) return broken("is a byte token, but is not written like <0x0A>");
      parts.vocabulary.add({&*byte, 1}, piece.type, false);
      return Ok{};
    }
    case TokenType::kControl:
      if (!piece.text.empty())
        parts.added_tokens.push_back({.text = piece.text, .id = id, .special = true});
      parts.vocabulary.add(piece.text, piece.type, false);
      return Ok{};
    case TokenType::kUnknown:
      if (parts.bpe.unknown != kNoToken)
        return broken(fmt::format("is a second unknown token, after {}", parts.bpe.unknown));
      parts.bpe.unknown = id;
      parts.vocabulary.add(model.unknown_text.value_or(piece.text), piece.type, false);
      return Ok{};
    case TokenType::kUserDefined:
      if (piece.text.empty()) return broken("is empty");
      parts.user_symbols.insert(with_spaces(piece.text), id);
      parts.normalizer.kept.insert(piece.text, id);
      break;
    case TokenType::kNormal:
    case TokenType::kUnused:
      break;
  }
  parts.vocabulary.add(with_spaces(piece.text), piece.type, !piece.text.empty());
  return Ok{};
}

// Ranks in the order of falling scores; equal scores, equal ranks.
std::vector<std::int32_t> ranks_of_scores(const std::vector<Piece>& pieces) {
  std::vector<float> scores;
  scores.reserve(pieces.size());
  for (const Piece& p : pieces) scores.push_back(p.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  std::vector<std::int32_t> ranks;
  ranks.reserve(pieces.size());
  for (const Piece& p : pieces)
    ranks.push_back(static_cast<std::int32_t>(
        std::lower_bound(scores.begin(), scores.end(), p.score, std::greater<>()) -
        scores.begin()));
  return ranks;
}

// Scores as sentencepiece 0.2.3 counts them: a user-defined symbol of n bytes, which beats every
// log probability, is worth (n - 1) / 10.
UnigramOptions unigram_options(const SentencePieces& model, const TokenizerParts& parts) {
  UnigramOptions options;
  options.byte_fallback = model.byte_fallback;
  options.unknown = parts.bpe.unknown;
  float lowest = FLT_MAX;
  for (const Piece& p : model.pieces) {
    if (p.type == TokenType::kNormal) lowest = std::min(lowest, p.score);
    options.scores.push_back(p.type == TokenType::kUserDefined
                                 ? 0.1 * static_cast<double>(p.text.size() - 1)
                                 : double{p.score});
  }
  options.unknown_score = lowest - kUnknownPenalty;
  return options;
}

}  // namespace

std::string with_spaces(std::string_view text) {
  constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // ▁
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool space = text.substr(i).starts_with(kSpaceSymbol);
    out.push_back(space ? ' ' : text[i]);
    i += space ? kSpaceSymbol.size() : 1;
  }
  return out;
}

std::optional<char> byte_of_piece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const std::size_t digit = std::string_view("0123456789ABCDEF").find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = 16 * value + static_cast<int>(digit);
  }
  return static_cast<char>(value);
}

Result<TokenizerParts> make_sentencepiece_parts(SentencePieces model) {
  TokenizerParts parts;
  parts.kind = model.unigram ? "SentencePiece unigram" : "SentencePiece BPE";
  parts.normalizer = std::move(model.normalizer);
  parts.normalizer.spaces = true;
  for (const Piece& piece : model.pieces) PRONK_TRY(add_piece(model, piece, parts));
  if (parts.bpe.unknown == kNoToken)
    return error(Code::kCorruptData, fmt::format("no unknown token among {} SentencePiece tokens",
                                                 model.pieces.size()));
  parts.strips_first_space = parts.normalizer.space_prefix != Normalizer::Prefix::kNever ||
                             parts.normalizer.remove_extra_spaces;
  parts.strips_first_spaces = parts.normalizer.remove_extra_spaces;

  if (model.unigram) {
    parts.unigram = unigram_options(model, parts);
    return parts;
  }
  parts.bpe.byte_symbols = false;
  parts.bpe.byte_fallback = model.byte_fallback;
  parts.bpe.fuse_unknown = true;
  if (!has_space_inside(parts.vocabulary))
    parts.split_rules = {{.kind = SplitRule::Kind::kSpaceRuns}};
  VocabularyMerges merges = merges_of_vocabulary(parts.vocabulary, ranks_of_scores(model.pieces));
  parts.merges = std::move(merges.merges);
  parts.extra_symbols = std::move(merges.extra_symbols);
  return parts;
}

}  // namespace pronk
