// The tensors of a Llama model, each a handle with its Hugging Face name and shape.
#pragma once
#include <memory>
#include <vector>

#include "formats/llama_config.h"
#include "ops/linear.h"
#include "ops/rotation.h"

namespace pronk {

struct AttentionWeights {
  Linear q, k, v, o;                         // [H·K, D], [G·K, D], [G·K, D], [D, H·K]
  std::shared_ptr<const Rotation> rotation;  // the same for every layer
};

struct FeedForwardWeights {
  Linear gate, up, down;  // [F, D], [F, D], [D, F]
};

struct LayerWeights {
  NormWeight attention_norm;
  AttentionWeights attention;
  NormWeight ffn_norm;
  FeedForwardWeights ffn;
};

struct LlamaWeights {
  Linear embedding;  // [V, D]; only its read_row is used
  std::vector<LayerWeights> layers;
  NormWeight final_norm;
  Linear output;  // [V, D]; when tied, the embedding's values

  // Every handle named and shaped, none with values.
  static LlamaWeights shaped(const LlamaConfig& config);

  // Calls f(Linear&) or f(NormWeight&) for every tensor, in the order of the forward pass. Loader,
  // planner and whoever else needs all tensors walks this list; none keeps its own.
  template <class F>
  void for_each_tensor(F&& f) {
    f(embedding);
    for (LayerWeights& l : layers) {
      f(l.attention_norm);
      f(l.attention.q);
      f(l.attention.k);
      f(l.attention.v);
      f(l.attention.o);
      f(l.ffn_norm);
      f(l.ffn.gate);
      f(l.ffn.up);
      f(l.ffn.down);
    }
    f(final_norm);
    f(output);
  }
};

// Inverse frequencies theta^(-2i/K), changed by the configuration's scaling or divided by its
// divisors; rounded to float32 where the released models' code rounds them.
Rotation make_rotation(const RopeConfig& rope, int head_dim);

}  // namespace pronk
