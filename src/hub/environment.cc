#include "hub/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "base/file.h"

namespace pronk::hub {
namespace {

std::string trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string without_last_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string env_or(const char* name, const std::string& fallback) {
  const std::string value = env(name);
  return value.empty() ? fallback : value;
}

// One pip.conf, an INI file: "section.key" -> value. A line that begins with a space goes on with
// the value above it.
void read_pip_conf(const std::filesystem::path& path,
                   std::map<std::string, std::string>* settings) {
  const Result<std::string> text = read_file(path, 1u << 20);
  if (!text) return;
  std::istringstream lines(*text);
  std::string line, section, key;
  while (std::getline(lines, line)) {
    const std::string content = trim(line);
    if (content.empty() || content[0] == '#' || content[0] == ';') continue;
    const bool goes_on = (line[0] == ' ' || line[0] == '\t') && !key.empty();
    const std::size_t equals = content.find_first_of("=:");
    if (goes_on) {
      (*settings)[key] += " " + content;
    } else if (content[0] == '[') {
      section = trim(std::string_view(content).substr(1, content.find(']') - 1));
      key.clear();
    } else if (equals != content.npos) {
      std::string name = trim(std::string_view(content).substr(0, equals));
      std::replace(name.begin(), name.end(), '_', '-');
      key = fmt::format("{}.{}", section, name);
      (*settings)[key] = trim(std::string_view(content).substr(equals + 1));
    }
  }
}

std::vector<std::filesystem::path> pip_conf_files() {
  std::vector<std::filesystem::path> files = {"/etc/xdg/pip/pip.conf", "/etc/pip.conf"};
  files.push_back(home() / ".pip" / "pip.conf");
  files.push_back(std::filesystem::path(env_or("XDG_CONFIG_HOME", (home() / ".config").string())) /
                  "pip" / "pip.conf");
  if (const std::string chosen = env("PIP_CONFIG_FILE"); chosen == "/dev/null")
    files.clear();
  else if (!chosen.empty())
    files.emplace_back(chosen);
  return files;
}

}  // namespace

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool env_flag(const char* name) {
  std::string value = env(name);
  for (char& c : value)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return value == "1" || value == "true" || value == "on" || value == "yes" || value == "enabled";
}

std::filesystem::path home() { return env_or("HOME", "."); }

std::string hf_endpoint() {
  return without_last_slash(env_or("HF_ENDPOINT", "https://huggingface.co"));
}

namespace {

std::filesystem::path hf_home() {
  const std::string cache = env_or("XDG_CACHE_HOME", (home() / ".cache").string());
  return env_or("HF_HOME", (std::filesystem::path(cache) / "huggingface").string());
}

}  // namespace

std::filesystem::path hf_cache() {
  return env_or("HF_HUB_CACHE", env_or("HUGGINGFACE_HUB_CACHE", (hf_home() / "hub").string()));
}

Result<std::string> hf_token() {
  std::string token = trim(env_or("HF_TOKEN", env("HUGGING_FACE_HUB_TOKEN")));
  std::string where = "HF_TOKEN";
  if (token.empty()) {
    where = env_or("HF_TOKEN_PATH", (hf_home() / "token").string());
    if (const Result<std::string> text = read_file(where, 4096)) token = trim(*text);
  }
  const bool plain =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (!plain)
    return error(Code::kInvalidArgument,
                 fmt::format("hugging face token: '{}' holds spaces or control characters; set it "
                             "to the token alone",
                             where));
  return token;
}

std::string ms_endpoint() {
  return without_last_slash(env_or("MODEL_ENDPOINT", "https://www.modelscope.cn"));
}

std::vector<std::filesystem::path> ollama_folders() {
  std::vector<std::filesystem::path> folders;
  if (const std::string chosen = env("OLLAMA_MODELS"); !chosen.empty())
    folders.emplace_back(chosen);
  folders.push_back(home() / ".ollama" / "models");
  folders.emplace_back("/usr/share/ollama/.ollama/models");
  return folders;
}

PipConfig pip_config() {
  std::map<std::string, std::string> settings;
  for (const std::filesystem::path& file : pip_conf_files()) read_pip_conf(file, &settings);
  const auto setting = [&](const char* variable, const std::string& key) {
    if (std::string value = env(variable); !value.empty()) return value;
    for (const char* section : {"install.", "global."})
      if (const auto found = settings.find(section + key); found != settings.end())
        return found->second;
    return std::string();
  };
  PipConfig config;
  const std::string index = setting("PIP_INDEX_URL", "index-url");
  config.indexes.push_back(index.empty() ? "https://pypi.org/simple" : index);
  std::istringstream extra(setting("PIP_EXTRA_INDEX_URL", "extra-index-url"));
  for (std::string url; extra >> url;) config.indexes.push_back(url);
  for (std::string& url : config.indexes) url = without_last_slash(url);
  config.certificate = setting("PIP_CERT", "cert");
  return config;
}

}  // namespace pronk::hub
