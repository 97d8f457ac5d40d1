// What verbs read from outside, and what they leave there.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "pronk/types.h"

namespace pronk::cli {

bool stdin_is_tty();
// All of stdin; kResourceExhausted when it is longer than the limit.
Result<std::string> read_stdin(std::size_t max_bytes = 256u << 20);

// Token ids: a JSON array of whole numbers, or numbers separated by spaces, commas and newlines.
// kInvalidArgument names what is none.
Result<std::vector<TokenId>> parse_ids(std::string_view text);

// Bytes as one line for people: \n, \t, \\ and \xNN for what is no printable UTF-8.
std::string escape_bytes(std::string_view bytes);

// Ends the program for the noted signal (signals.h): writers of models know no way to stop, and
// what they have written so far lies under this name (base/file.h, formats/write_hf.cc).
[[noreturn]] void leave_nothing_behind(const std::filesystem::path& out);

}  // namespace pronk::cli
