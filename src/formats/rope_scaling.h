// The two ways files write Llama 3's RoPE scaling: its constants, or GGUF's divisors.
#pragma once
#include <optional>
#include <vector>

#include "formats/llama_config.h"

namespace pronk {

// The divisor of each of the K/2 frequencies theta^(-2i/K) (docs/formats.md): 1 where the
// wavelength is short, `factor` where it is long, and between the two in the middle. Empty unless
// the scaling is kLlama3.
std::vector<float> llama3_divisors(const RopeConfig& rope, int head_dim);

// The scaling whose divisors these are, with Meta's constants low 1, high 4, context 8192; nothing
// when there is none.
std::optional<RopeScaling> scaling_of_divisors(const RopeConfig& rope, int head_dim);

}  // namespace pronk
