#include "text/json.h"

#include <fmt/format.h>

#include <algorithm>

namespace pronk {

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return error(Code::kResourceExhausted,
                 fmt::format("JSON of {} bytes, the limit is {}", text.size(), limits.max_bytes));
  json::parse_options options;
  options.max_depth = limits.max_depth;
  json::parser parser({}, options);
  json::error_code code;
  const std::size_t read = parser.write_some(text, code);
  const std::string_view rest = code ? std::string_view{} : text.substr(read);
  if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) code = json::error::extra_data;
  if (code) {
    const std::string_view before = text.substr(0, std::min(read, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column =
        before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    return error(Code::kCorruptData,
                 fmt::format("JSON line {}, column {}: {}", line, column, code.message()));
  }
  return parser.release();
}

const json::value* find(const json::value& object, std::string_view key) {
  const json::object* o = object.if_object();
  return o ? o->if_contains(key) : nullptr;
}

const json::string* find_string(const json::value& object, std::string_view key) {
  const json::value* v = find(object, key);
  return v ? v->if_string() : nullptr;
}

const json::array* find_array(const json::value& object, std::string_view key) {
  const json::value* v = find(object, key);
  return v ? v->if_array() : nullptr;
}

const json::object* find_object(const json::value& object, std::string_view key) {
  const json::value* v = find(object, key);
  return v ? v->if_object() : nullptr;
}

}  // namespace pronk
