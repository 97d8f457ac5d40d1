#include "text/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>

#include "text/utf8.h"

namespace pronk {
namespace {

// Builds the value as json::parser does, but takes numbers with a fraction or an exponent from
// their text: Boost 1.81 is off by a bit on one in five of 17 digits, and reads "0e618" as NaN.
struct ValueBuilder {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();
  using Text = json::string_view;
  using Code = json::error_code;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t size, Code&) { return stack.push_object(size), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t size, Code&) { return stack.push_array(size), true; }
  bool on_key_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_key(Text text, std::size_t, Code&) { return stack.push_key(text), true; }
  bool on_string_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_string(Text text, std::size_t, Code&) { return stack.push_string(text), true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t i, Text, Code&) { return stack.push_int64(i), true; }
  bool on_uint64(std::uint64_t u, Text, Code&) { return stack.push_uint64(u), true; }
  bool on_double(double near, Text text, Code& code) {
    double exact = near;
    const auto failure = std::from_chars(text.data(), text.data() + text.size(), exact).ec;
    if (failure == std::errc::result_out_of_range) exact = near;  // 0, or too large
    if (!std::isfinite(exact)) {
      code = json::error::exponent_overflow;
      return false;
    }
    return stack.push_double(exact), true;
  }
  bool on_bool(bool b, Code&) { return stack.push_bool(b), true; }
  bool on_null(Code&) { return stack.push_null(), true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  json::value_stack stack;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return error(Code::kResourceExhausted,
                 fmt::format("JSON of {} bytes, the limit is {}", text.size(), limits.max_bytes));
  json::parse_options options;
  options.max_depth = limits.max_depth;
  json::basic_parser<ValueBuilder> parser(options);
  parser.handler().stack.reset();
  json::error_code code;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), code);
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
  return parser.handler().stack.release();
}

std::string write_json(const json::value& value) {
  std::string text = json::serialize(value);
  if (is_valid_utf8(text)) return text;
  std::string valid;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    append_utf8(valid, c.code_point == kInvalidCodePoint ? U'\uFFFD' : c.code_point);
    i += static_cast<std::size_t>(c.length);
  }
  return valid;
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
