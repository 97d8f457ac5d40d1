// Tokens become a tree, by the grammar of jinja2/parser.py.
#pragma once
#include <string_view>

#include "pronk/result.h"
#include "text/jinja_ast.h"

namespace pronk::jinja {

// Errors: kInvalidArgument, "line N: ..."; kResourceExhausted for nesting beyond max_depth.
Result<Body> parse_template(std::string_view source, int max_depth);

}  // namespace pronk::jinja
