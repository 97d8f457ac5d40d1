// Where the program keeps what it remembers between runs: the history of lines, saved chats.
#pragma once
#include <filesystem>
#include <string>

namespace pronk::cli {

// $XDG_STATE_HOME/pronk, or ~/.local/state/pronk; made with 0700 when it is missing. Empty when
// there is neither.
std::filesystem::path state_folder();
// Where a saved chat of that name lies: a path as it is, a plain name in the state folder.
std::filesystem::path chat_path(const std::string& name);

}  // namespace pronk::cli
