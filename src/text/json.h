// JSON: Boost.JSON behind limits, so that hostile input costs bounded time, memory and stack.
#pragma once
#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "pronk/result.h"

namespace pronk {

namespace json = boost::json;

struct JsonLimits {
  std::size_t max_bytes = 256u << 20;
  std::size_t max_depth = 64;
};

// Parses one JSON value (UTF-8, nothing after it). kCorruptData with line and column on bad input.
Result<json::value> parse_json(std::string_view text, const JsonLimits& limits = {});

// The value on one line. Bytes in its strings that are no UTF-8 become U+FFFD, so that every reader
// takes it.
std::string write_json(const json::value& value);

// Members of an object, typed: nullptr when absent or of another type.
const json::value* find(const json::value& object, std::string_view key);
const json::string* find_string(const json::value& object, std::string_view key);
const json::array* find_array(const json::value& object, std::string_view key);
const json::object* find_object(const json::value& object, std::string_view key);

}  // namespace pronk
