// What a packed file says of its model besides the weights: everything a ModelSource holds, without
// loss, under a key for each field. Writer and reader walk this one list.
#pragma once
#include <string>
#include <vector>

#include "formats/model_source.h"

namespace pronk::packed {

struct Fields {
  LlamaConfig config;
  TokenizerSource tokenizer;
  std::vector<std::string> template_names, template_texts;
  GenerationDefaults generation;
  std::string licence;
};

// Calls field(key, value) for each: std::string, int, bool, double, an enum of ours, a vector of
// strings or numbers (empty: not in the file), or an optional (unset: not in the file).
template <class Field>
void for_each_field(Fields& f, Field&& field) {
  LlamaConfig& c = f.config;
  field("config.name", c.name);
  field("config.num_layers", c.num_layers);
  field("config.model_dim", c.model_dim);
  field("config.ffn_dim", c.ffn_dim);
  field("config.num_heads", c.num_heads);
  field("config.num_kv_heads", c.num_kv_heads);
  field("config.head_dim", c.head_dim);
  field("config.vocab_size", c.vocab_size);
  field("config.max_context", c.max_context);
  field("config.norm_eps", c.norm_eps);
  field("config.tied_output", c.tied_output);
  field("rope.theta", c.rope.theta);
  field("rope.scaling.kind", c.rope.scaling.kind);
  field("rope.scaling.factor", c.rope.scaling.factor);
  field("rope.scaling.low_freq_factor", c.rope.scaling.low_freq_factor);
  field("rope.scaling.high_freq_factor", c.rope.scaling.high_freq_factor);
  field("rope.scaling.original_context", c.rope.scaling.original_context);
  field("rope.divisors", c.rope.divisors);

  TokenizerSource& t = f.tokenizer;
  field("tokenizer.kind", t.kind);
  field("tokenizer.bytes", t.bytes);
  field("tokenizer.gguf_model", t.gguf_model);
  field("tokenizer.gguf_pre", t.gguf_pre);
  field("tokenizer.tokens", t.tokens);
  field("tokenizer.scores", t.scores);
  field("tokenizer.token_types", t.token_types);
  field("tokenizer.merges", t.merges);
  field("tokenizer.bos", t.bos);
  field("tokenizer.eos", t.eos);
  field("tokenizer.eot", t.eot);
  field("tokenizer.eom", t.eom);
  field("tokenizer.unknown", t.unknown);
  field("tokenizer.padding", t.padding);
  field("tokenizer.end_tokens", t.end_tokens);
  field("tokenizer.add_bos", t.add_bos);
  field("tokenizer.add_eos", t.add_eos);
  field("tokenizer.add_space_prefix", t.add_space_prefix);
  field("tokenizer.remove_extra_whitespaces", t.remove_extra_whitespaces);
  field("tokenizer.config_json", t.tokenizer_config_json);

  field("template.names", f.template_names);
  field("template.texts", f.template_texts);
  GenerationDefaults& g = f.generation;
  field("generation.temperature", g.temperature);
  field("generation.top_p", g.top_p);
  field("generation.min_p", g.min_p);
  field("generation.repetition_penalty", g.repetition_penalty);
  field("generation.top_k", g.top_k);
  field("generation.do_sample", g.do_sample);
  field("licence", f.licence);
}

// The largest value of an enum that a file may hold.
constexpr int last_of(RopeScaling::Kind) { return static_cast<int>(RopeScaling::Kind::kLlama3); }
constexpr int last_of(TokenizerSource::Kind) {
  return static_cast<int>(TokenizerSource::Kind::kLlama2c);
}

}  // namespace pronk::packed
