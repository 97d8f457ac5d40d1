// What a tokenizer is made of, whatever file said so; one reader for each kind of file.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/model_source.h"
#include "pronk/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/splitter.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"

namespace pronk {

struct TokenizerParts {
  std::string kind;  // for people: "byte-level BPE (llama-bpe)"
  Vocabulary vocabulary;

  // Encoding, in this order.
  std::vector<AddedToken> added_tokens;             // found in the text as it is
  std::vector<AddedToken> normalized_added_tokens;  // then found in the normalized text
  Normalizer normalizer;
  // A pre-tokenizer of tokenizer.json does what `normalizer` does: to the text between the
  // normalized_added_tokens, which are found before.
  bool normalizes_between_added = false;
  std::vector<SplitRule> split_rules;
  ByteTrie user_symbols;  // SentencePiece's user-defined symbols, spelled as in `vocabulary`
  std::vector<Merge> merges;
  std::vector<std::string> extra_symbols;
  BpeOptions bpe;
  std::optional<UnigramOptions> unigram;  // in place of merges

  // Decoding: the space that `normalizer` put before the text goes.
  bool strips_first_space = false;
  bool strips_first_spaces = false;  // and those of empty tokens before the first text

  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  std::vector<TokenId> end_tokens;
};

Result<TokenizerParts> read_huggingface_tokenizer(const TokenizerSource& source);
Result<TokenizerParts> read_tiktoken(const TokenizerSource& source);
Result<TokenizerParts> read_sentencepiece(const TokenizerSource& source);
Result<TokenizerParts> read_gguf_tokenizer(const TokenizerSource& source);
Result<TokenizerParts> read_llama2c_tokenizer(const TokenizerSource& source);

}  // namespace pronk
