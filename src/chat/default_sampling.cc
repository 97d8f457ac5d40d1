#include "chat/default_sampling.h"

namespace pronk {

SamplingParams default_sampling(const GenerationDefaults& file) {
  constexpr double kMetaTemperature = 0.6, kMetaTopP = 0.9;
  const bool says_something = file.temperature || file.top_p;
  SamplingParams params;
  params.temperature = says_something ? file.temperature.value_or(1) : kMetaTemperature;
  params.top_p = says_something ? file.top_p.value_or(1) : kMetaTopP;
  if (file.top_k) params.top_k = *file.top_k;
  if (file.min_p) params.min_p = *file.min_p;
  if (file.repetition_penalty) params.repeat_penalty = *file.repetition_penalty;
  if (file.do_sample == false) params.temperature = 0;
  return params;
}

}  // namespace pronk
