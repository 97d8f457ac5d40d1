// llama2.c's tokenizer.bin (formats/llama2c_tokenizer.h): a SentencePiece BPE vocabulary.
#include "formats/llama2c_tokenizer.h"
#include "tokenizer/parts.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

Result<TokenizerParts> read_llama2c_tokenizer(const TokenizerSource& source) {
  SentencePieces model;
  model.pieces = PRONK_TRY(parse_llama2c_tokens(source.bytes));
  model.byte_fallback = true;
  model.normalizer.space_prefix = Normalizer::Prefix::kAlways;
  TokenizerParts parts = PRONK_TRY(make_sentencepiece_parts(std::move(model)));
  parts.kind = "SentencePiece BPE (llama2.c)";
  parts.bos = 1;
  parts.eos = 2;
  parts.adds_bos = true;
  return parts;
}

}  // namespace pronk
