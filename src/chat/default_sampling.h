// How a chat samples when nobody says how.
#pragma once
#include "formats/model_source.h"
#include "pronk/sampling.h"

namespace pronk {

// What the model's generation_config asks for; where it names neither temperature nor top-p, Meta's
// 0.6 and 0.9.
SamplingParams default_sampling(const GenerationDefaults& file);

}  // namespace pronk
