// What one step computes: rows of tokens from any mix of sequences, and where their keys and values
// lie.
#pragma once
#include <span>

#include "pronk/types.h"

namespace pronk {

// A KV page holds this many tokens of one sequence; a multiple of every kernel's key tile.
inline constexpr int kKvPageTokens = 32;

// The rows [first_row, first_row + num_rows) are the tokens of one sequence at positions [start,
// start + num_rows); its keys and values at position p lie in page pages[p / kKvPageTokens], slot p
// % kKvPageTokens. A batch has each sequence once.
struct BatchSequence {
  int first_row = 0;
  int num_rows = 0;
  int start = 0;
  std::span<const int> pages;  // covers start + num_rows tokens
};

// Shapes: T = tokens.size(). The spans belong to the caller and outlive the step.
struct Batch {
  std::span<const TokenId> tokens;           // [T]
  std::span<const int> positions;            // [T]
  std::span<const BatchSequence> sequences;  // in order of first_row, covering all rows
  std::span<const int> logit_rows;           // ascending rows whose logits are wanted; may be empty
  // The first rows are tokens of prompts, which come many at a time; the others are tokens of
  // replies, which come one by one. A backend may multiply the two in different ways
  // (Runner::reads_prompts_apart); what it makes of a token depends on that, not on how many come.
  int num_prompt_rows = 0;
};

}  // namespace pronk
