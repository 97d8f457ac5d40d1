// Which sampling parameters make sense.
#pragma once
#include "pronk/sampling.h"

namespace pronk {

// kInvalidArgument naming the first parameter that is out of range, its value and its range.
Status check_params(const SamplingParams& params, int vocab_size);

}  // namespace pronk
