// What the user's environment says about where models come from and live.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pronk/result.h"

namespace pronk::hub {

std::string env(const char* name);  // "" when unset
bool env_flag(const char* name);    // 1, true, on, yes, enabled
std::filesystem::path home();       // $HOME, or the current folder

// Hugging Face: HF_ENDPOINT; HF_HOME, HF_HUB_CACHE; HF_TOKEN, HF_TOKEN_PATH.
std::string hf_endpoint();  // without a slash at the end
std::filesystem::path hf_cache();
// kInvalidArgument when the token holds what no token does, such as a line break.
Result<std::string> hf_token();  // "" when there is none

std::string ms_endpoint();  // ModelScope: MODEL_ENDPOINT
std::vector<std::filesystem::path>
ollama_folders();  // OLLAMA_MODELS, ~/.ollama/models, the system's

// pip's settings, as `pip install` would read them: PIP_* variables over $PIP_CONFIG_FILE, the
// user's and the machine's pip.conf, sections [install] over [global].
struct PipConfig {
  std::vector<std::string> indexes;  // index-url, then each extra-index-url
  std::string certificate;           // cert
};
PipConfig pip_config();

}  // namespace pronk::hub
