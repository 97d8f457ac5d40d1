// The angles that RoPE turns queries and keys by.
#pragma once
#include <vector>

namespace pronk {

// Pair i of a head, (i, i + K/2), turns by position * frequencies[i]. Made by the model from its
// configuration.
struct Rotation {
  int head_dim = 0;                // K
  std::vector<float> frequencies;  // [K/2], radians per token
};

}  // namespace pronk
