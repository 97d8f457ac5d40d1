// A template's source as tokens, by the rules of jinja2/lexer.py with trim_blocks and
// lstrip_blocks.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

struct Token {
  enum class Kind {
    kData,           // text between tags
    kVariableBegin,  // {{
    kVariableEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,  // `text` says which
    kEnd,
  };
  Kind kind = Kind::kEnd;
  int line = 0;
  std::string text;  // data, name, a string's value, an operator
  Int integer = 0;
  double number = 0;

  bool is(Kind k, std::string_view t) const { return kind == k && text == t; }
  bool is_name(std::string_view t) const { return is(Kind::kName, t); }
  bool is_operator(std::string_view t) const { return is(Kind::kOperator, t); }
  std::string describe() const;  // for messages: "end of template", "'}'", "name 'x'"
};

// Ends with one kEnd. Errors: kInvalidArgument, "line N: ...".
Result<std::vector<Token>> tokenize(std::string_view source);

Error syntax_error(int line, std::string_view message);

}  // namespace pronk::jinja
