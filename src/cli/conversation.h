// The messages of a chat, and the file that /save writes.
#pragma once
#include <filesystem>
#include <string>

#include "pronk/result.h"
#include "text/json.h"

namespace pronk::cli {

struct Conversation {
  std::string model;
  std::string system;    // the system message; empty: none
  json::array messages;  // {"role": "user" | "assistant", "content": text}, oldest first

  void add(std::string_view role, std::string_view content) {
    messages.push_back(json::object{{"role", role}, {"content", content}});
  }
  json::array with_system() const;  // what a template gets
};

// $XDG_STATE_HOME/pronk, or ~/.local/state/pronk; made with 0700 when it is missing. Empty when
// there is neither.
std::filesystem::path state_folder();
// Where a saved chat of that name lies: a path as it is, a plain name in the state folder.
std::filesystem::path conversation_path(const std::string& name);

Status save(const Conversation& conversation, const std::filesystem::path& path);
// kCorruptData when the file is none of ours.
Result<Conversation> load_conversation(const std::filesystem::path& path);

}  // namespace pronk::cli
