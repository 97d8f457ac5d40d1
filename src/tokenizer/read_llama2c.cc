// llama2.c's tokenizer.bin: a SentencePiece BPE vocabulary.
//
//   offset  size  meaning
//   0       4     int32  length of the longest token
//   then for each token, to the end of the file:
//   0       4     float  score
//   4       4     int32  length n
//   8       n     bytes  text, with spaces for "▁"; ids 1 and 2 are "\n<s>\n" and "\n</s>\n"
//
// Ids 0, 1, 2 are <unk>, <s>, </s>, ids 3 to 258 the bytes "<0x00>" to "<0xFF>". Little-endian.
#include <fmt/format.h>

#include <cstring>

#include "tokenizer/parts.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

namespace {

constexpr std::size_t kFirstByte = 3, kFirstNormal = 3 + 256;

template <class T>
T load(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

Result<TokenizerParts> read_llama2c_tokenizer(const TokenizerSource& source) {
  const std::string_view file = source.bytes;
  SentencePieces model;
  model.byte_fallback = true;
  model.normalizer.space_prefix = Normalizer::Prefix::kAlways;
  for (std::size_t i = 4; i < file.size();) {
    const std::size_t id = model.pieces.size();
    const std::size_t left = file.size() - i;
    const std::int32_t length = left < 8 ? 0 : load<std::int32_t>(file, i + 4);
    if (left < 8 || length < 0 || static_cast<std::size_t>(length) > left - 8)
      return error(Code::kCorruptData,
                   fmt::format("tokenizer.bin: token {} of {} bytes at offset {}, the file has {} "
                               "bytes",
                               id, length, i, file.size()));
    SentencePieces::Piece piece{std::string(file.substr(i + 8, static_cast<std::size_t>(length))),
                                load<float>(file, i)};
    if (id == 0) piece.type = TokenType::kUnknown;
    if (id == 1) piece = {"<s>", 0, TokenType::kControl};
    if (id == 2) piece = {"</s>", 0, TokenType::kControl};
    if (id >= kFirstByte && id < kFirstNormal) piece.type = TokenType::kByte;
    model.pieces.push_back(std::move(piece));
    i += 8 + static_cast<std::size_t>(length);
  }
  if (model.pieces.size() < kFirstNormal)
    return error(Code::kCorruptData,
                 fmt::format("tokenizer.bin: {} tokens, at least {} needed (<unk>, <s>, </s>, 256 "
                             "bytes)",
                             model.pieces.size(), kFirstNormal));
  TokenizerParts parts = PRONK_TRY(make_sentencepiece_parts(std::move(model)));
  parts.kind = "SentencePiece BPE (llama2.c)";
  parts.bos = 1;
  parts.eos = 2;
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
