// Any bytes as a tokenizer file of any kind; what loads must encode and decode any bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "formats/model_source.h"
#include "pronk/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Kind = pronk::TokenizerSource::Kind;
  constexpr Kind kKinds[] = {Kind::kHuggingFaceJson, Kind::kTiktoken, Kind::kSentencePiece,
                             Kind::kLlama2c};
  if (size < 2) return 0;
  // Byte 0: the kind; byte 1: how much of the rest is text.
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t text_size = bytes.size() * data[1] / 1024;
  pronk::TokenizerSource source;
  source.kind = kKinds[data[0] % 4];
  source.bytes = bytes.substr(text_size);
  const std::string text = bytes.substr(0, text_size) + "a <s> 人\xFF";
  const auto tokenizer = pronk::Tokenizer::from_source(source);
  if (!tokenizer) return 0;
  const auto ids = tokenizer->encode(text, pronk::Specials::kRecognise);
  if (!tokenizer->decode(ids)) __builtin_trap();
  pronk::Detokenizer detokenizer(*tokenizer);
  for (const pronk::TokenId id : ids) detokenizer.push(id);
  detokenizer.finish();
  return 0;
}
