// What kind of token each one of a vocabulary is.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pronk {

// SentencePiece's piece types, which GGUF took over with these numbers.
enum class TokenType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,      // stands for what no other token spells
  kControl = 3,      // never made of text, unless it is asked for: <|eot_id|>, <s>
  kUserDefined = 4,  // always found whole in a text
  kUnused = 5,
  kByte = 6,  // one raw byte, where the vocabulary lacks a character
};

// As files store it.
constexpr std::int32_t number_of(TokenType type) { return static_cast<std::int32_t>(type); }

// Ids are int32, and a vocabulary of this size is a broken file.
inline constexpr std::size_t kMaxTokens = 1 << 24;

}  // namespace pronk
