// The components of a tokenizer.json around its model: normalizer, pre_tokenizer, post_processor,
// decoder.
#pragma once
#include "pronk/result.h"
#include "text/json.h"
#include "tokenizer/parts.h"

namespace pronk {

// What the components say, before the vocabulary is read by it.
struct HuggingFacePipeline {
  bool byte_level = false;  // text and tokens are bytes, in GPT-2's letters
  Normalizer normalizer;
  bool normalizes_between_added = false;  // as in TokenizerParts
  std::vector<SplitRule> split_rules;
  bool strips_first_space = false;
  std::optional<TokenId> bos;  // what the post_processor puts before a text
};

// Errors: kUnsupported naming the component; kCorruptData where one lacks what it needs.
Result<HuggingFacePipeline> read_huggingface_pipeline(const json::value& file);

}  // namespace pronk
