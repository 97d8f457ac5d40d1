// How tokens are picked: llama.cpp's flags, and what the model's generation_config says where no
// flag does.
#pragma once
#include "cli/options.h"
#include "formats/model_source.h"
#include "pronk/sampling.h"

namespace pronk::cli {

OptionGroup sampling_options();

// A flag's value; else the file's; else temperature 0.6 and top-p 0.9 (Meta's), and everything else
// off. A file that says do_sample: false is greedy. Without --seed: one of the system's random
// numbers.
Result<SamplingParams> sampling_of(const Options& options, const GenerationDefaults& defaults);

}  // namespace pronk::cli
