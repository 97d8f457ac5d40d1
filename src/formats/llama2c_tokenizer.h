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
#pragma once
#include <string_view>
#include <vector>

#include "formats/sentencepiece_file.h"
#include "pronk/result.h"

namespace pronk {

// The tokens by id, as a SentencePiece file would have them. kCorruptData: a token that does not
// lie in the file, or fewer than those 259.
Result<std::vector<SentencePieceFile::Piece>> parse_llama2c_tokens(std::string_view bytes);

}  // namespace pronk
