#include "cli/conversation.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/file.h"

namespace pronk::cli {
namespace {

constexpr std::string_view kFormat = "pronk conversation";

std::filesystem::path private_folder(const std::filesystem::path& path) {
  std::error_code failed;
  if (std::filesystem::create_directories(path, failed))
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, failed);
  return path;
}

bool is_message(const json::value& value) {
  const json::string* role = find_string(value, "role");
  return role && (*role == "user" || *role == "assistant") && find_string(value, "content");
}

}  // namespace

json::array Conversation::with_system() const {
  json::array all;
  if (!system.empty()) all.push_back(json::object{{"role", "system"}, {"content", system}});
  all.insert(all.end(), messages.begin(), messages.end());
  return all;
}

std::filesystem::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
    return private_folder(std::filesystem::path(state) / "pronk");
  if (const char* home = std::getenv("HOME"); home && *home)
    return private_folder(std::filesystem::path(home) / ".local/state/pronk");
  return {};
}

std::filesystem::path conversation_path(const std::string& name) {
  if (name.find('/') != std::string::npos || name.ends_with(".json")) return name;
  return private_folder(state_folder() / "chats") / (name + ".json");
}

Status save(const Conversation& conversation, const std::filesystem::path& path) {
  const json::object object = {{"format", kFormat},
                               {"model", conversation.model},
                               {"system", conversation.system},
                               {"messages", conversation.messages}};
  return write_file(path, json::serialize(object) + "\n");
}

Result<Conversation> load_conversation(const std::filesystem::path& path) {
  const std::string text = PRONK_TRY_IN("load the chat", read_file(path));
  const json::value value =
      PRONK_TRY_IN(fmt::format("load the chat '{}'", path.string()), parse_json(text));
  const json::string* format = find_string(value, "format");
  const json::string* model = find_string(value, "model");
  const json::string* system = find_string(value, "system");
  const json::array* messages = find_array(value, "messages");
  bool sound = format && *format == kFormat && model && system && messages;
  if (sound)
    for (const json::value& message : *messages) sound = sound && is_message(message);
  if (!sound)
    return error(Code::kCorruptData,
                 fmt::format("load the chat '{}': not a file that /save wrote", path.string()));
  return Conversation{std::string(*model), std::string(*system), *messages};
}

}  // namespace pronk::cli
