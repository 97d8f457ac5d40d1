#include "cli/state_folder.h"

#include <cstdlib>

namespace pronk::cli {
namespace {

std::filesystem::path private_folder(const std::filesystem::path& path) {
  std::error_code failed;
  if (std::filesystem::create_directories(path, failed))
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, failed);
  return path;
}

}  // namespace

std::filesystem::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return private_folder(std::filesystem::path(state) / "pronk");
  if (const char* home = std::getenv("HOME"); home && *home)
    return private_folder(std::filesystem::path(home) / ".local/state/pronk");
  return {};
}

std::filesystem::path chat_path(const std::string& name) {
  if (name.find('/') != std::string::npos || name.ends_with(".json")) return name;
  return private_folder(state_folder() / "chats") / (name + ".json");
}

}  // namespace pronk::cli
