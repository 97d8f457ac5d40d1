// What was built.
#pragma once
#include <string>

namespace pronk::cli {

const char* version_string();  // "0.1.0"
const char*
commit_string();  // `git describe --always --dirty` at build time; "unknown" without git

}  // namespace pronk::cli
