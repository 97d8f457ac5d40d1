// What verbs read from outside.
#pragma once
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

}  // namespace pronk::cli
