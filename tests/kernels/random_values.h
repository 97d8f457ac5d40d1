// Numbers for the tests of kernels.
#pragma once
#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace pronk {

// Near-normal values: a sum of uniforms.
inline std::vector<float> random_values(std::int64_t n, std::uint64_t seed, double scale = 1) {
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) {
    double sum = -2;
    for (std::uint64_t j = 0; j < 4; ++j) sum += random_unit(seed, i * 4 + j);
    v[i] = static_cast<float>(sum * 1.7 * scale);
  }
  return v;
}

}  // namespace pronk
