// What a Llama model is, whatever file said so. Shapes: docs/glossary.md.
#pragma once
#include <string>
#include <vector>

namespace pronk {

// Which angles RoPE turns by: inverse frequency i = theta^(-2i/K), changed by the scaling.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1;           // linear: every frequency is divided by it; llama3: the low ones are
  double low_freq_factor = 1;  // llama3 (docs/formats.md)
  double high_freq_factor = 4;     // llama3
  double original_context = 8192;  // llama3
  bool operator==(const RopeScaling&) const = default;
};

struct RopeConfig {
  double theta = 0;  // always given by the file; a missing base is an error
  RopeScaling scaling;
  // GGUF's rope_freqs.weight: a divisor for each of the K/2 frequencies, in place of `scaling`;
  // empty when there is none.
  std::vector<float> divisors;
};

struct LlamaConfig {
  std::string name;  // what the file calls itself; may be empty
  int num_layers = 0;
  int model_dim = 0;     // D
  int ffn_dim = 0;       // F
  int num_heads = 0;     // H
  int num_kv_heads = 0;  // G, divides H
  int head_dim = 0;      // K, even; H*K need not be D
  int vocab_size = 0;    // V, rows of the embedding
  int max_context = 0;   // tokens the model was made for
  double norm_eps = 0;
  bool tied_output = false;  // the output layer is the embedding
  RopeConfig rope;
};

}  // namespace pronk
