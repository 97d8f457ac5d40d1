#include "formats/sentencepiece_file.h"

#include <fmt/format.h>

#include "formats/protobuf.h"

namespace pronk {
namespace {

using Wire = ProtoField::Wire;

Result<SentencePieceFile::Piece> read_piece(std::string_view message, std::size_t id) {
  SentencePieceFile::Piece piece;
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

Status read_trainer_spec(std::string_view message, SentencePieceFile& file) {
  for (ProtoReader reader(message); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(3, Wire::kVarint)) file.model_type = static_cast<int>(f.value);
    if (f.is(24, Wire::kVarint)) file.whitespace_as_suffix = f.value != 0;
    if (f.is(35, Wire::kVarint)) file.byte_fallback = f.value != 0;
    if (f.is(40, Wire::kVarint)) file.unknown = static_cast<std::int32_t>(f.value);
    if (f.is(41, Wire::kVarint)) file.bos = static_cast<std::int32_t>(f.value);
    if (f.is(42, Wire::kVarint)) file.eos = static_cast<std::int32_t>(f.value);
    if (f.is(43, Wire::kVarint)) file.padding = static_cast<std::int32_t>(f.value);
    if (f.is(44, Wire::kBytes)) file.unknown_surface = f.bytes;
  }
  return Ok{};
}

Status read_normalizer_spec(std::string_view message, SentencePieceFile& file) {
  for (ProtoReader reader(message); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(2, Wire::kBytes)) file.character_map = f.bytes;
    if (f.is(3, Wire::kVarint)) file.add_dummy_prefix = f.value != 0;
    if (f.is(4, Wire::kVarint)) file.remove_extra_whitespaces = f.value != 0;
    if (f.is(5, Wire::kVarint)) file.escape_whitespaces = f.value != 0;
  }
  return Ok{};
}

void put_varint(std::string* out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>((value & 0x7f) | 0x80));
  out->push_back(static_cast<char>(value));
}
void put_integer(std::string* out, std::uint64_t number, std::int64_t value) {
  put_varint(out, number << 3);
  put_varint(out, static_cast<std::uint64_t>(value));
}
void put_bytes(std::string* out, std::uint64_t number, std::string_view bytes) {
  put_varint(out, number << 3 | 2);
  put_varint(out, bytes.size());
  out->append(bytes);
}
void put_float(std::string* out, std::uint64_t number, float value) {
  put_varint(out, number << 3 | 5);
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

Result<SentencePieceFile> parse_sentencepiece(std::string_view bytes) {
  SentencePieceFile file;
  for (ProtoReader reader(bytes); !reader.at_end();) {
    const ProtoField f = PRONK_TRY(reader.next());
    if (f.is(1, Wire::kBytes))
      file.pieces.push_back(PRONK_TRY(read_piece(f.bytes, file.pieces.size())));
    if (f.is(2, Wire::kBytes)) PRONK_TRY_IN("trainer_spec", read_trainer_spec(f.bytes, file));
    if (f.is(3, Wire::kBytes)) PRONK_TRY_IN("normalizer_spec", read_normalizer_spec(f.bytes, file));
  }
  if (file.pieces.empty() || file.pieces.size() > kMaxTokens)
    return error(Code::kCorruptData,
                 fmt::format("SentencePiece model: {} tokens", file.pieces.size()));
  const int type = file.model_type;
  if (type != SentencePieceFile::kUnigram && type != SentencePieceFile::kBpe)
    return error(Code::kUnsupported,
                 fmt::format("SentencePiece model type {} ({}): built are unigram and bpe", type,
                             type == 3   ? "word"
                             : type == 4 ? "char"
                                         : "unknown"));
  if (!file.escape_whitespaces)
    return error(Code::kUnsupported, "SentencePiece model with escape_whitespaces = false");
  return file;
}

std::string write_sentencepiece(const SentencePieceFile& file) {
  std::string out;
  for (const SentencePieceFile::Piece& piece : file.pieces) {
    std::string message;
    put_bytes(&message, 1, piece.text);
    put_float(&message, 2, piece.score);
    if (piece.type != TokenType::kNormal) put_integer(&message, 3, number_of(piece.type));
    put_bytes(&out, 1, message);
  }
  std::string trainer;
  put_integer(&trainer, 3, file.model_type);
  put_integer(&trainer, 4, std::ssize(file.pieces));
  put_integer(&trainer, 24, file.whitespace_as_suffix);
  put_integer(&trainer, 35, file.byte_fallback);
  put_integer(&trainer, 40, file.unknown);
  put_integer(&trainer, 41, file.bos);
  put_integer(&trainer, 42, file.eos);
  put_integer(&trainer, 43, file.padding);
  put_bytes(&out, 2, trainer);
  std::string normalizer;
  put_bytes(&normalizer, 1, "identity");
  put_integer(&normalizer, 3, file.add_dummy_prefix);
  put_integer(&normalizer, 4, file.remove_extra_whitespaces);
  put_integer(&normalizer, 5, file.escape_whitespaces);
  put_bytes(&out, 3, normalizer);
  return out;
}

}  // namespace pronk
