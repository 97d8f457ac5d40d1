// The shells' completion scripts, made of the option tables.
#pragma once
#include <string>

namespace pronk::cli {

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace pronk::cli
