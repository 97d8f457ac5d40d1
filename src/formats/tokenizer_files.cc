#include "formats/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace pronk {
namespace {

// "IQ== 0": base64, one space, a rank.
bool looks_like_tiktoken(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  const std::size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos || line.size() > 1024) return false;
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=';
  };
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || c == '\r'; };
  const std::string_view rank = line.substr(space + 1);
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(space), is_base64) &&
         !rank.empty() && std::all_of(rank.begin(), rank.end(), is_digit);
}

// A protobuf whose first field is a piece (field 1, length-delimited).
bool looks_like_sentencepiece(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == '\x0a';
}

Result<std::uint64_t> read_varint(ByteReader* in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = PRONK_TRY(in->number<std::uint8_t>());
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (!(byte & 0x80)) return value;
  }
  return error(Code::kCorruptData, fmt::format("byte {}: a number without an end", in->position()));
}

// ModelProto's field 1 is one piece; the others are passed over.
Result<std::int64_t> count_sentencepieces(std::string_view bytes) {
  ByteReader in(std::as_bytes(std::span(bytes)));
  std::int64_t num_pieces = 0;
  while (in.left() > 0) {
    const std::uint64_t tag = PRONK_TRY(read_varint(&in));
    switch (tag & 7) {
      case 0:
        PRONK_TRY(read_varint(&in));
        break;
      case 1:
        PRONK_TRY(in.take(8));
        break;
      case 2: {
        const std::uint64_t size = PRONK_TRY(read_varint(&in));
        PRONK_TRY(in.take(size));
        break;
      }
      case 5:
        PRONK_TRY(in.take(4));
        break;
      default:
        return error(Code::kCorruptData, fmt::format("byte {}: no protobuf field", in.position()));
    }
    if (tag >> 3 == 1) ++num_pieces;
  }
  return num_pieces;
}

// Llama 3 puts 256 special tokens behind the ranks of its file.
constexpr std::int64_t kTiktokenSpecials = 256;

}  // namespace

Result<TokenizerSource::Kind> tokenizer_kind(std::string_view bytes) {
  const std::size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (looks_like_sentencepiece(bytes)) return TokenizerSource::Kind::kSentencePiece;
  if (begin != std::string_view::npos && bytes[begin] == '{')
    return TokenizerSource::Kind::kHuggingFaceJson;
  if (looks_like_tiktoken(bytes)) return TokenizerSource::Kind::kTiktoken;
  return error(Code::kUnsupported,
               "the file is no tokenizer that is known here: Hugging Face's tokenizer.json, "
               "tiktoken's or SentencePiece's tokenizer.model, llama2.c's tokenizer.bin");
}

Result<std::optional<std::int64_t>> count_tokens(const TokenizerSource& source) {
  switch (source.kind) {
    case TokenizerSource::Kind::kGguf:
      return std::optional<std::int64_t>(std::ssize(source.tokens));
    case TokenizerSource::Kind::kTiktoken: {
      const auto newlines = std::count(source.bytes.begin(), source.bytes.end(), '\n');
      const bool unfinished = !source.bytes.empty() && source.bytes.back() != '\n';
      return std::optional<std::int64_t>(newlines + unfinished + kTiktokenSpecials);
    }
    case TokenizerSource::Kind::kSentencePiece:
      return std::optional(PRONK_TRY_IN("tokenizer.model", count_sentencepieces(source.bytes)));
    default:
      return std::optional<std::int64_t>();
  }
}

}  // namespace pronk
