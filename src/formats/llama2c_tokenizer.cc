#include "formats/llama2c_tokenizer.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace pronk {
namespace {

constexpr std::size_t kFirstByte = 3, kFirstNormal = 3 + 256;

std::string with_visible_spaces(std::string_view text) {
  constexpr std::string_view kVisibleSpace = "▁";
  std::string out;
  for (const char c : text) c == ' ' ? void(out += kVisibleSpace) : out.push_back(c);
  return out;
}

}  // namespace

Result<std::vector<SentencePieceFile::Piece>> parse_llama2c_tokens(std::string_view bytes) {
  std::vector<SentencePieceFile::Piece> pieces;
  ByteReader in(std::as_bytes(std::span(bytes)));
  PRONK_TRY_IN("tokenizer.bin", in.number<std::int32_t>());
  while (in.left() > 0) {
    const std::size_t id = pieces.size();
    const std::string step = fmt::format("tokenizer.bin: token {}", id);
    SentencePieceFile::Piece piece;
    piece.score = PRONK_TRY_IN(step, in.number<float>());
    const auto length = PRONK_TRY_IN(step, in.number<std::uint32_t>());
    const std::string_view text = PRONK_TRY_IN(step, in.text(length));
    piece.text = id == 1 ? "<s>" : id == 2 ? "</s>" : with_visible_spaces(text);
    piece.type = id == 0             ? TokenType::kUnknown
                 : id < kFirstByte   ? TokenType::kControl
                 : id < kFirstNormal ? TokenType::kByte
                                     : TokenType::kNormal;
    pieces.push_back(std::move(piece));
  }
  if (pieces.size() < kFirstNormal || pieces.size() > kMaxTokens)
    return error(Code::kCorruptData,
                 fmt::format("tokenizer.bin: {} tokens, at least {} needed (<unk>, <s>, </s>, 256 "
                             "bytes)",
                             pieces.size(), kFirstNormal));
  return pieces;
}

}  // namespace pronk
