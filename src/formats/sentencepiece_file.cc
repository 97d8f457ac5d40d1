#include "formats/sentencepiece_file.h"

#include <fmt/format.h>

#include <functional>

#include "base/bytes.h"

namespace pronk {
namespace {

// One field of a protobuf message: number, and its value by wire type.
struct Field {
  std::uint64_t number = 0;
  std::uint64_t integer = 0;    // wire types 0, 1 and 5
  std::string_view bytes = {};  // wire type 2
};

Result<std::uint64_t> read_varint(ByteReader* in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = PRONK_TRY(in->number<std::uint8_t>());
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (!(byte & 0x80)) return value;
  }
  return error(Code::kCorruptData, fmt::format("byte {}: a number without an end", in->position()));
}

Result<Field> read_field(ByteReader* in) {
  const std::uint64_t tag = PRONK_TRY(read_varint(in));
  Field field{.number = tag >> 3};
  switch (tag & 7) {
    case 0:
      field.integer = PRONK_TRY(read_varint(in));
      return field;
    case 1:
      field.integer = PRONK_TRY(in->number<std::uint64_t>());
      return field;
    case 2: {
      const std::uint64_t size = PRONK_TRY(read_varint(in));
      field.bytes = PRONK_TRY(in->text(size));
      return field;
    }
    case 5:
      field.integer = PRONK_TRY(in->number<std::uint32_t>());
      return field;
    default:
      return error(Code::kCorruptData, fmt::format("byte {}: no protobuf field", in->position()));
  }
}

Status for_each_field(std::string_view message, const std::function<Status(const Field&)>& visit) {
  ByteReader in(std::as_bytes(std::span(message)));
  while (in.left() > 0) {
    const Field field = PRONK_TRY(read_field(&in));
    PRONK_TRY(visit(field));
  }
  return Ok{};
}

Result<SentencePieceFile::Piece> read_piece(std::string_view message) {
  SentencePieceFile::Piece piece;
  PRONK_TRY(for_each_field(message, [&](const Field& field) -> Status {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2)
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.integer));
    if (field.number == 3) piece.type = static_cast<std::int32_t>(field.integer);
    return Ok{};
  }));
  return piece;
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
  const auto read_trainer = [&](const Field& field) -> Status {
    const auto id = static_cast<std::int32_t>(field.integer);
    if (field.number == 3) file.is_bpe = field.integer == 2;
    if (field.number == 40) file.unknown = id;
    if (field.number == 41) file.bos = id;
    if (field.number == 42) file.eos = id;
    if (field.number == 43) file.padding = id;
    return Ok{};
  };
  const auto read_normalizer = [&](const Field& field) -> Status {
    if (field.number == 3) file.add_dummy_prefix = field.integer != 0;
    if (field.number == 4) file.remove_extra_whitespaces = field.integer != 0;
    return Ok{};
  };
  const auto read_model = [&](const Field& field) -> Status {
    if (field.number == 1) file.pieces.push_back(PRONK_TRY(read_piece(field.bytes)));
    if (field.number == 2) return for_each_field(field.bytes, read_trainer);
    if (field.number == 3) return for_each_field(field.bytes, read_normalizer);
    return Ok{};
  };
  PRONK_TRY_IN("tokenizer.model", for_each_field(bytes, read_model));
  return file;
}

std::string write_sentencepiece(const SentencePieceFile& file) {
  std::string out;
  for (const SentencePieceFile::Piece& piece : file.pieces) {
    std::string message;
    put_bytes(&message, 1, piece.text);
    put_float(&message, 2, piece.score);
    if (piece.type != 1) put_integer(&message, 3, piece.type);
    put_bytes(&out, 1, message);
  }
  std::string trainer;
  put_integer(&trainer, 3, file.is_bpe ? 2 : 1);
  put_integer(&trainer, 4, std::ssize(file.pieces));
  put_integer(&trainer, 35, 1);
  put_integer(&trainer, 40, file.unknown);
  put_integer(&trainer, 41, file.bos);
  put_integer(&trainer, 42, file.eos);
  put_integer(&trainer, 43, file.padding);
  put_bytes(&out, 2, trainer);
  std::string normalizer;
  put_bytes(&normalizer, 1, "identity");
  put_integer(&normalizer, 3, file.add_dummy_prefix);
  put_integer(&normalizer, 4, file.remove_extra_whitespaces);
  put_integer(&normalizer, 5, 1);
  put_bytes(&out, 3, normalizer);
  return out;
}

}  // namespace pronk
