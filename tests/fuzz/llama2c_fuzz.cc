// Any bytes as a llama2.c file, and as each kind of tokenizer file.
#include "formats/llama2c_reader.h"
#include "formats/llama2c_tokenizer.h"
#include "formats/sentencepiece_file.h"
#include "formats/tiktoken_file.h"
#include "formats/tokenizer_json.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pronk::ModelSource source;
  if (pronk::read_llama2c_bytes(std::as_bytes(std::span(data, size)), &source))
    pronk::touch(source);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)pronk::parse_sentencepiece(text).has_value();
  (void)pronk::parse_tiktoken(text).has_value();
  (void)pronk::tokenizer_from_json(text).has_value();
  (void)pronk::parse_llama2c_tokens(text).has_value();
  return 0;
}
