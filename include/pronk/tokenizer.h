// Text to token ids and back.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "pronk/types.h"

namespace pronk {

struct TokenizerSource;  // formats/model_source.h

enum class Specials {
  kAsText,     // "<|eot_id|>" in the text is ordinary text
  kRecognise,  // every special token in the text becomes its id
};

// Immutable and thread-safe; cheap to copy (shares its tables).
class Tokenizer {
 public:
  // A tokenizer.json, tokenizer.model (tiktoken or SentencePiece), tokenizer.bin, a GGUF, or a
  // model folder.
  static Result<Tokenizer> load(const std::filesystem::path& path);
  static Result<Tokenizer> from_source(const TokenizerSource& source);

  // No BOS is added. Invalid UTF-8 is kept: decode(encode(s)) == s for byte-level vocabularies that
  // have all bytes. What no token stands for (SmolLM2 has none for 0xFF) is left out, and counted.
  std::vector<TokenId> encode(std::string_view text, Specials specials = Specials::kAsText,
                              std::size_t* num_dropped_bytes = nullptr) const;
  // Specials are recognised only where they lie whole within one of `special_ranges` (ascending,
  // disjoint; touching ranges count as one): the bytes that a chat template itself wrote. All other
  // text, wherever it came from, is ordinary, and what stands between two specials is split and
  // merged as one piece.
  std::vector<TokenId> encode(std::string_view text,
                              std::span<const ByteRange> special_ranges) const;

  // The bytes of the tokens, specials included (or left out). Unknown ids: an error naming the id.
  Result<std::string> decode(std::span<const TokenId> tokens, bool skip_specials = false) const;
  // One token's bytes as they appear in the middle of a text; empty for an id out of range.
  // SentencePiece: "▁" is a space.
  std::string_view piece(TokenId token) const;
  bool is_special(TokenId token) const;
  std::optional<TokenId> find_special(std::string_view text) const;  // "<|eot_id|>" -> 128009

  int vocab_size() const;
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  bool adds_bos() const;  // whether the file says that a prompt begins with BOS
  // Tokens that end a reply: the file's eos list, and by name <|eot_id|>, <|eom_id|>,
  // <|end_of_text|>, <|im_end|>, </s>, <|endoftext|>.
  std::span<const TokenId> end_tokens() const;
  std::string_view kind()
      const;  // "byte-level BPE (llama-bpe)", "SentencePiece BPE", ...: for people

 private:
  class Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
  friend class Detokenizer;
};

// Streams text out of tokens, one sequence each, and never splits a UTF-8 character. One thread at
// a time.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_specials = true);
  // What became complete by this token; bytes that may begin a character wait.
  std::string push(TokenId token);
  // The rest at the end, as it is (an incomplete character's bytes unchanged).
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_specials_;
  bool at_start_ = true;
  std::string pending_;
};

}  // namespace pronk
