#include "formats/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/sentencepiece_file.h"
#include "formats/tiktoken_file.h"

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
      return std::optional<std::int64_t>(newlines + unfinished + kNumLlama3Specials);
    }
    case TokenizerSource::Kind::kSentencePiece: {
      const SentencePieceFile file = PRONK_TRY(parse_sentencepiece(source.bytes));
      return std::optional<std::int64_t>(std::ssize(file.pieces));
    }
    default:
      return std::optional<std::int64_t>();
  }
}

}  // namespace pronk
