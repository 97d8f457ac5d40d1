// Tokenizers for tests: files of tests/data/tokenizer, and small ones made by hand.
#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "formats/model_source.h"
#include "pronk/tokenizer.h"
#include "support.h"

namespace pronk {

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline TokenizerSource source_of(TokenizerSource::Kind kind, std::string bytes) {
  TokenizerSource source;
  source.kind = kind;
  source.bytes = std::move(bytes);
  return source;
}

// A file of tests/data/tokenizer; its name tells its kind.
inline TokenizerSource data_source(const std::string& name) {
  const std::string bytes = file_bytes(test_data("tokenizer/" + name));
  if (name.ends_with(".json")) return source_of(TokenizerSource::Kind::kHuggingFaceJson, bytes);
  if (name.ends_with(".tiktoken")) return source_of(TokenizerSource::Kind::kTiktoken, bytes);
  return source_of(TokenizerSource::Kind::kSentencePiece, bytes);
}

inline Tokenizer make(const TokenizerSource& source) {
  Result<Tokenizer> tokenizer = Tokenizer::from_source(source);
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return *std::move(tokenizer);
}

inline Tokenizer data_tokenizer(const std::string& name) { return make(data_source(name)); }

// The error's message; "(no error)" when there is none.
inline std::string error_of(const TokenizerSource& source, Code code) {
  const Result<Tokenizer> tokenizer = Tokenizer::from_source(source);
  if (tokenizer) return "(no error)";
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  return tokenizer.error().message;
}

// A byte-level vocabulary as GGUF holds it: two control tokens, the 256 bytes, and merges. Ids: 0
// <|im_start|>, 1 <|im_end|>, 2 + the byte's place among GPT-2's letters, then the merged tokens.
inline TokenizerSource gguf_bytes(const std::string& pre) {
  TokenizerSource source;
  source.kind = TokenizerSource::Kind::kGguf;
  source.gguf_model = "gpt2";
  source.gguf_pre = pre;
  source.tokens = {"<|im_start|>", "<|im_end|>"};
  source.token_types = {3, 3};
  const auto add = [&](std::string text, std::int32_t type) {
    source.tokens.push_back(std::move(text));
    source.token_types.push_back(type);
  };
  const auto letter = [](unsigned c) {
    return c < 0x80 ? std::string(1, static_cast<char>(c))
                    : std::string{static_cast<char>(0xC0 | c >> 6),
                                  static_cast<char>(0x80 | (c & 0x3F))};
  };
  for (unsigned c = '!'; c < 256 + 68; ++c)
    if (c <= '~' || (c >= 0xA1 && c != 0xAD)) add(letter(c), 1);
  for (const char* merged : {"Ġa", "ab", "Ġab", "12"}) add(merged, 1);
  source.merges = {"Ġ a", "a b", "Ġa b", "1 2"};
  return source;
}

}  // namespace pronk
