#include "text/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_expression_parser.h"
#include "text/jinja_lexer.h"

namespace pronk::jinja {
namespace {

using StatementPtr = std::unique_ptr<const Statement>;

template <class Node>
StatementPtr make_statement(int line, Node node) {
  return std::make_unique<const Statement>(Statement{line, std::move(node)});
}

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Result<Body> run() {
    Body body = PRONK_TRY(parse_body({}));
    if (!unknown_names_.empty()) return unknown_names_.front();
    return body;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  // Text and tags up to a tag named in `ends`, whose name is then the current token (or, without
  // ends, up to the end of the template).
  Result<Body> parse_body(Ends ends) {
    const Level level(&depth_);
    PRONK_TRY(check_depth());
    Body body;
    while (current().kind != Kind::kEnd) {
      const int line = current().line;
      if (current().kind == Kind::kData) {
        Value text = Value::text(next().text, true);
        body.push_back(make_statement(line, Output{make_expr(line, Constant{std::move(text)})}));
        continue;
      }
      if (current().kind == Kind::kVariableBegin) {
        next();
        ExprPtr expr = PRONK_TRY(parse_tuple());
        PRONK_TRY(expect(Kind::kVariableEnd));
        body.push_back(make_statement(line, Output{std::move(expr)}));
        continue;
      }
      PRONK_TRY(expect(Kind::kBlockBegin));
      if (current().kind == Kind::kName &&
          std::find(ends.begin(), ends.end(), current().text) != ends.end())
        return body;
      PRONK_TRY(parse_statement(&body));
      PRONK_TRY(expect(Kind::kBlockEnd));
    }
    if (ends.size() == 0) return body;
    return syntax_error(current().line, fmt::format("unexpected end of the template, expected "
                                                    "{{% {} %}}",
                                                    *(ends.end() - 1)));
  }

  // The rest of an opening tag, the body, and the name of the closing one.
  Result<Body> parse_block(Ends ends) {
    skip_operator(":");
    PRONK_TRY(expect(Kind::kBlockEnd));
    return parse_body(ends);
  }

  // A block that is a scope of its own: unknown filters within are not forgiven by an if around it.
  Result<Body> parse_scope(Ends ends) {
    const std::size_t unknown_before = unknown_names_.size();
    Body body = PRONK_TRY(parse_block(ends));
    if (unknown_names_.size() > unknown_before) return unknown_names_[unknown_before];
    return body;
  }

  Status parse_statement(Body* body) {
    const Token token = current();
    const int line = token.line;
    if (token.kind != Kind::kName) return syntax_error(line, "tag name expected");
    const std::string& name = token.text;
    next();
    const auto add = [&](StatementPtr statement) { body->push_back(std::move(statement)); };
    if (name == "set") return parse_set(line, body);
    if (name == "if") return parse_if(line, body);
    if (name == "for") return parse_for(line, body);
    if (name == "macro") {
      Macro macro;
      macro.name = PRONK_TRY(expect(Kind::kName)).text;
      PRONK_TRY(parse_macro(&macro, line, "endmacro"));
      mentioned_.push_back("=" + macro.name);
      add(make_statement(line, DefineMacro{std::move(macro)}));
    } else if (name == "call") {
      return parse_call(line, body);
    } else if (name == "filter") {
      ExprPtr filter = PRONK_TRY(parse_filters(nullptr, true));
      Body inner = PRONK_TRY(parse_scope({"endfilter"}));
      add(make_statement(line, FilterBlock{std::move(filter), std::move(inner)}));
      next();
    } else if (name == "with") {
      return parse_with(line, body);
    } else if (name == "print") {
      while (current().kind != Kind::kBlockEnd) {
        ExprPtr expr = PRONK_TRY(parse_expression());
        add(make_statement(line, Output{std::move(expr)}));
        if (!skip_operator(",")) break;
      }
    } else if (name == "break" || name == "continue") {
      if (!in_loop_) return syntax_error(line, fmt::format("'{}' outside of a loop", name));
      add(name == "break" ? make_statement(line, Break{}) : make_statement(line, Continue{}));
    } else if (name == "generation") {
      const bool outer = std::exchange(in_loop_, false);
      Body inner = PRONK_TRY(parse_scope({"endgeneration"}));
      add(make_statement(line, Generation{std::move(inner)}));
      in_loop_ = outer;
      next();
    } else {
      return syntax_error(line, fmt::format("unknown or unsupported tag '{}'", name));
    }
    return Ok{};
  }

  Status parse_set(int line, Body* body) {
    Target target = PRONK_TRY(parse_target({}, true));
    if (skip_operator("=")) {
      ExprPtr value = PRONK_TRY(parse_tuple());
      note_stored(target);
      body->push_back(make_statement(line, Assign{std::move(target), std::move(value)}));
      return Ok{};
    }
    ExprPtr filter = PRONK_TRY(parse_filters(nullptr));
    Body inner = PRONK_TRY(parse_scope({"endset"}));
    next();
    note_stored(target);
    body->push_back(
        make_statement(line, AssignBlock{std::move(target), std::move(filter), std::move(inner)}));
    return Ok{};
  }

  Status parse_if(int line, Body* body) {
    If statement;
    const std::size_t unknown_before = unknown_names_.size();
    while (true) {
      ExprPtr condition = PRONK_TRY(parse_tuple(false));
      statement.branches.emplace_back(std::move(condition),
                                      PRONK_TRY(parse_block({"elif", "else", "endif"})));
      const std::string end = next().text;
      if (end == "elif") continue;
      if (end == "else") {
        statement.otherwise = PRONK_TRY(parse_block({"endif"}));
        next();
      }
      break;
    }
    forgive_unknown_names(unknown_before);
    body->push_back(make_statement(line, std::move(statement)));
    return Ok{};
  }

  Status parse_for(int line, Body* body) {
    For loop;
    loop.target = PRONK_TRY(parse_target({"in"}, false));
    PRONK_TRY(expect_name("in"));
    loop.iterable = PRONK_TRY(parse_tuple(false, {"recursive"}));
    note_stored(loop.target);
    if (skip_name("if")) loop.filter = PRONK_TRY(parse_expression());
    loop.recursive = skip_name("recursive");
    const std::size_t mentioned_before = mentioned_.size();
    const bool outer = std::exchange(in_loop_, true);
    loop.body = PRONK_TRY(parse_scope({"endfor", "else"}));
    in_loop_ = loop.recursive ? false : outer;
    loop.uses_loop = loop.recursive || mentions("loop", mentioned_before);
    for (std::size_t i = mentioned_before; i < mentioned_.size(); ++i)
      if (mentioned_[i] == "=loop")
        return syntax_error(line, "cannot assign to the special variable 'loop' in a for loop");
    if (next().text == "else") {
      loop.otherwise = PRONK_TRY(parse_scope({"endfor"}));
      next();
    }
    in_loop_ = outer;
    body->push_back(make_statement(line, std::move(loop)));
    return Ok{};
  }

  Status parse_call(int line, Body* body) {
    Macro caller;
    if (current().is_operator("(")) PRONK_TRY(parse_signature(&caller));
    ExprPtr call = PRONK_TRY(parse_expression());
    if (!std::holds_alternative<Call>(call->node))
      return syntax_error(line, "expected a call after {% call %}");
    PRONK_TRY(parse_macro_body(&caller, line, "endcall"));
    body->push_back(make_statement(line, CallBlock{std::move(call), std::move(caller)}));
    return Ok{};
  }

  Status parse_with(int line, Body* body) {
    With with;
    while (current().kind != Kind::kBlockEnd && !current().is_operator(":")) {
      if (!with.values.empty()) PRONK_TRY(expect_operator(","));
      Target target = PRONK_TRY(parse_target({}, false));
      PRONK_TRY(expect_operator("="));
      ExprPtr value = PRONK_TRY(parse_expression());
      note_stored(target);
      with.values.emplace_back(std::move(target), std::move(value));
    }
    with.body = PRONK_TRY(parse_scope({"endwith"}));
    next();
    body->push_back(make_statement(line, std::move(with)));
    return Ok{};
  }

  Status parse_macro(Macro* macro, int line, std::string_view end) {
    PRONK_TRY(parse_signature(macro));
    return parse_macro_body(macro, line, end);
  }

  Status parse_signature(Macro* macro) {
    PRONK_TRY(expect_operator("("));
    while (!current().is_operator(")")) {
      if (!macro->parameters.empty()) PRONK_TRY(expect_operator(","));
      const Token name = PRONK_TRY(expect(Kind::kName));
      if (is_constant_name(name.text))
        return syntax_error(name.line, fmt::format("cannot assign to '{}'", name.text));
      for (const Macro::Parameter& other : macro->parameters)
        if (other.name == name.text)
          return syntax_error(name.line, fmt::format("parameter '{}' given twice", name.text));
      ExprPtr otherwise;
      if (skip_operator("="))
        otherwise = PRONK_TRY(parse_expression());
      else if (!macro->parameters.empty() && macro->parameters.back().otherwise)
        return syntax_error(name.line, "non-default argument follows default argument");
      macro->parameters.push_back({name.text, std::move(otherwise)});
    }
    return expect_operator(")");
  }

  Status parse_macro_body(Macro* macro, int line, std::string_view end) {
    const std::size_t mentioned_before = mentioned_.size();
    const bool outer = std::exchange(in_loop_, false);
    macro->body = PRONK_TRY(parse_scope({end}));
    next();
    in_loop_ = outer;
    const auto parameter = [&](std::string_view name) {
      return std::find_if(macro->parameters.begin(), macro->parameters.end(),
                          [&](const Macro::Parameter& p) { return p.name == name; });
    };
    macro->uses_caller = mentions("caller", mentioned_before);
    const auto explicit_caller = parameter("caller");
    if (macro->uses_caller && explicit_caller != macro->parameters.end() &&
        !explicit_caller->otherwise)
      return syntax_error(line, "the macro's parameter 'caller' must have a default or be omitted");
    macro->uses_kwargs =
        mentions("kwargs", mentioned_before) && parameter("kwargs") == macro->parameters.end();
    macro->uses_varargs =
        mentions("varargs", mentioned_before) && parameter("varargs") == macro->parameters.end();
    return Ok{};
  }

  static bool is_constant_name(std::string_view name) {
    constexpr std::string_view kNames[] = {"true", "True", "false", "False", "none", "None"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  }

  // name, name.attribute (of a namespace), or a tuple of them.
  Result<Target> parse_target(Ends ends, bool with_namespace) {
    const Level level(&depth_);
    PRONK_TRY(check_depth());
    Target tuple;
    tuple.tuple = true;
    bool comma = false;
    while (!is_tuple_end(ends) && !current().is_operator("=")) {
      tuple.items.push_back(PRONK_TRY(parse_one_target(with_namespace)));
      if (!skip_operator(",")) break;
      comma = true;
    }
    if (tuple.items.empty()) return unexpected();
    if (!comma) return std::move(tuple.items[0]);
    return tuple;
  }

  Result<Target> parse_one_target(bool with_namespace) {
    if (skip_operator("(")) {
      Target inner = PRONK_TRY(parse_target({}, with_namespace));
      PRONK_TRY(expect_operator(")"));
      return inner;
    }
    const Token token = PRONK_TRY(expect(Kind::kName));
    if (is_constant_name(token.text))
      return syntax_error(token.line, fmt::format("cannot assign to '{}'", token.text));
    Target target;
    target.name = token.text;
    if (with_namespace && skip_operator(".")) {
      target.attribute = PRONK_TRY(expect(Kind::kName)).text;
      mentioned_.push_back(target.name);
    }
    return target;
  }

  void note_stored(const Target& target) {
    for (const Target& item : target.items) note_stored(item);
    if (!target.tuple && target.attribute.empty()) mentioned_.push_back("=" + target.name);
  }

  // Whether `name` was read since, before it was set.
  bool mentions(std::string_view name, std::size_t since) const {
    for (std::size_t i = since; i < mentioned_.size(); ++i) {
      if (mentioned_[i] == name) return true;
      if (mentioned_[i].size() == name.size() + 1 && mentioned_[i].ends_with(name) &&
          mentioned_[i][0] == '=')
        return false;
    }
    return false;
  }

  bool in_loop_ = false;  // where break and continue have a meaning
};

}  // namespace

Result<Body> parse_template(std::string_view source, int max_depth) {
  std::vector<Token> tokens = PRONK_TRY(tokenize(source));
  return Parser(std::move(tokens), max_depth).run();
}

}  // namespace pronk::jinja
