#include "text/jinja_expression_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_filters.h"

namespace pronk::jinja {

Token ExpressionParser::next() {
  Token token = current();
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  next();
  return true;
}

bool ExpressionParser::skip_operator(std::string_view sign) {
  if (!current().is_operator(sign)) return false;
  next();
  return true;
}

Error ExpressionParser::unexpected() const {
  return syntax_error(current().line, fmt::format("unexpected {}", current().describe()));
}

Result<Token> ExpressionParser::expect(Kind kind) {
  if (current().kind == kind) return next();
  Token wanted;
  wanted.kind = kind;
  return syntax_error(
      current().line,
      fmt::format("expected {}, found {}", kind == Kind::kName ? "a name" : wanted.describe(),
                  current().describe()));
}

Status ExpressionParser::expect_name(std::string_view name) {
  if (skip_name(name)) return Ok{};
  return syntax_error(current().line,
                      fmt::format("expected '{}', found {}", name, current().describe()));
}

Status ExpressionParser::expect_operator(std::string_view sign) {
  if (skip_operator(sign)) return Ok{};
  return syntax_error(current().line,
                      fmt::format("expected '{}', found {}", sign, current().describe()));
}

Status ExpressionParser::check_depth() const {
  if (depth_ <= max_depth_) return Ok{};
  return error(Code::kResourceExhausted,
               fmt::format("line {}: more than {} levels of nesting", current().line, max_depth_));
}

bool ExpressionParser::is_tuple_end(std::initializer_list<std::string_view> ends) const {
  const Token& token = current();
  if (token.kind == Kind::kVariableEnd || token.kind == Kind::kBlockEnd || token.is_operator(")"))
    return true;
  return token.kind == Kind::kName && std::find(ends.begin(), ends.end(), token.text) != ends.end();
}

Result<ExprPtr> ExpressionParser::parse_tuple(bool conditional,
                                              std::initializer_list<std::string_view> ends) {
  const int line = current().line;
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (!is_tuple_end(ends)) {
    items.push_back(PRONK_TRY(parse_expression(conditional)));
    if (!skip_operator(",")) break;
    tuple = true;
  }
  if (!tuple && items.size() == 1) return std::move(items[0]);
  if (!tuple) return unexpected();
  return make_expr(line, Sequence{std::move(items), true});
}

Result<ExprPtr> ExpressionParser::parse_expression(bool conditional) {
  const Level level(&depth_);
  PRONK_TRY(check_depth());
  return conditional ? parse_conditional() : parse_logic(false);
}

Result<ExprPtr> ExpressionParser::parse_conditional() {
  const int line = current().line;
  const std::size_t unknown_before = unknown_names_.size();
  ExprPtr expr = PRONK_TRY(parse_logic(false));
  while (skip_name("if")) {
    ExprPtr condition = PRONK_TRY(parse_logic(false));
    ExprPtr otherwise;
    if (skip_name("else")) otherwise = PRONK_TRY(parse_expression());
    expr =
        make_expr(line, Conditional{std::move(condition), std::move(expr), std::move(otherwise)});
    forgive_unknown_names(unknown_before);
  }
  return expr;
}

Result<ExprPtr> ExpressionParser::parse_logic(bool is_and) {
  const int line = current().line;
  const auto operand = [&] { return is_and ? parse_not() : parse_logic(true); };
  std::vector<ExprPtr> parts;
  parts.push_back(PRONK_TRY(operand()));
  while (skip_name(is_and ? "and" : "or")) parts.push_back(PRONK_TRY(operand()));
  if (parts.size() == 1) return std::move(parts[0]);
  return make_expr(line, Logic{is_and, std::move(parts)});
}

Result<ExprPtr> ExpressionParser::parse_not() {
  const Level level(&depth_);
  PRONK_TRY(check_depth());
  const int line = current().line;
  if (!skip_name("not")) return parse_comparison();
  ExprPtr operand = PRONK_TRY(parse_not());
  return make_expr(line, Unary{Unary::Op::kNot, std::move(operand)});
}

Result<ExprPtr> ExpressionParser::parse_comparison() {
  static constexpr std::pair<std::string_view, Comparison> kSigns[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  const int line = current().line;
  ExprPtr first = PRONK_TRY(parse_sum());
  std::vector<std::pair<Comparison, ExprPtr>> rest;
  while (true) {
    const auto* sign = std::find_if(std::begin(kSigns), std::end(kSigns),
                                    [&](const auto& s) { return current().is_operator(s.first); });
    Comparison op = Comparison::kIn;
    if (sign != std::end(kSigns)) {
      op = sign->second;
      next();
    } else if (current().is_name("not") && ahead().is_name("in")) {
      op = Comparison::kNotIn;
      next();
      next();
    } else if (!skip_name("in")) {
      break;
    }
    rest.emplace_back(op, PRONK_TRY(parse_sum()));
  }
  if (rest.empty()) return first;
  return make_expr(line, ComparisonChain{std::move(first), std::move(rest)});
}

// One level of operators that work from left to right.
Result<ExprPtr> ExpressionParser::parse_chain(
    std::initializer_list<std::pair<std::string_view, Arithmetic>> signs, Operand operand) {
  const int line = current().line;
  ExprPtr first = PRONK_TRY((this->*operand)());
  std::vector<std::pair<Arithmetic, ExprPtr>> rest;
  while (true) {
    const auto* sign = std::find_if(signs.begin(), signs.end(),
                                    [&](const auto& s) { return current().is_operator(s.first); });
    if (sign == signs.end()) break;
    next();
    rest.emplace_back(sign->second, PRONK_TRY((this->*operand)()));
  }
  if (rest.empty()) return first;
  return make_expr(line, ArithmeticChain{std::move(first), std::move(rest)});
}

Result<ExprPtr> ExpressionParser::parse_sum() {
  return parse_chain({{"+", Arithmetic::kAdd}, {"-", Arithmetic::kSubtract}},
                     &ExpressionParser::parse_concatenation);
}

Result<ExprPtr> ExpressionParser::parse_concatenation() {
  const int line = current().line;
  std::vector<ExprPtr> parts;
  parts.push_back(PRONK_TRY(parse_product()));
  while (skip_operator("~")) parts.push_back(PRONK_TRY(parse_product()));
  if (parts.size() == 1) return std::move(parts[0]);
  return make_expr(line, Concatenation{std::move(parts)});
}

Result<ExprPtr> ExpressionParser::parse_product() {
  return parse_chain({{"*", Arithmetic::kMultiply},
                      {"/", Arithmetic::kDivide},
                      {"//", Arithmetic::kFloorDivide},
                      {"%", Arithmetic::kModulo}},
                     &ExpressionParser::parse_power);
}

Result<ExprPtr> ExpressionParser::parse_power() {
  return parse_chain({{"**", Arithmetic::kPower}}, &ExpressionParser::parse_operand);
}

Result<ExprPtr> ExpressionParser::parse_operand() { return parse_unary(true); }

// A sign binds tighter than a filter: -1|abs is (-1)|abs.
Result<ExprPtr> ExpressionParser::parse_unary(bool with_filters) {
  const Level level(&depth_);
  PRONK_TRY(check_depth());
  const int line = current().line;
  const bool minus = skip_operator("-"), signed_expr = minus || skip_operator("+");
  ExprPtr expr = PRONK_TRY(signed_expr ? parse_unary(false) : parse_primary());
  if (signed_expr)
    expr = make_expr(line,
                     Unary{minus ? Unary::Op::kNegative : Unary::Op::kPositive, std::move(expr)});
  expr = PRONK_TRY(parse_postfix(std::move(expr)));
  return with_filters ? parse_filters_and_tests(std::move(expr)) : Result<ExprPtr>(std::move(expr));
}

Result<ExprPtr> ExpressionParser::parse_primary() {
  const Token token = current();
  const int line = token.line;
  switch (token.kind) {
    case Kind::kName:
      next();
      if (token.text == "true" || token.text == "True") return make_expr(line, Constant{true});
      if (token.text == "false" || token.text == "False") return make_expr(line, Constant{false});
      if (token.text == "none" || token.text == "None") return make_expr(line, Constant{Value()});
      mentioned_.push_back(token.text);
      return make_expr(line, Variable{token.text});
    case Kind::kString: {
      std::string text;
      while (current().kind == Kind::kString) text += next().text;
      return make_expr(line, Constant{Value::text(std::move(text), true)});
    }
    case Kind::kInteger:
      next();
      return make_expr(line, Constant{Value::integer(token.integer)});
    case Kind::kFloat:
      next();
      return make_expr(line, Constant{Value(token.number)});
    default:
      break;
  }
  if (token.is_operator("[")) return parse_list();
  if (token.is_operator("{")) return parse_dict();
  if (!skip_operator("(")) return unexpected();
  if (skip_operator(")")) return make_expr(line, Sequence{{}, true});
  ExprPtr inner = PRONK_TRY(parse_tuple());
  PRONK_TRY(expect_operator(")"));
  return inner;
}

Result<ExprPtr> ExpressionParser::parse_list() {
  const int line = next().line;
  std::vector<ExprPtr> items;
  while (!current().is_operator("]")) {
    items.push_back(PRONK_TRY(parse_expression()));
    if (!skip_operator(",")) break;
  }
  PRONK_TRY(expect_operator("]"));
  return make_expr(line, Sequence{std::move(items), false});
}

Result<ExprPtr> ExpressionParser::parse_dict() {
  const int line = next().line;
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
  while (!current().is_operator("}")) {
    ExprPtr key = PRONK_TRY(parse_expression());
    PRONK_TRY(expect_operator(":"));
    entries.emplace_back(std::move(key), PRONK_TRY(parse_expression()));
    if (!skip_operator(",")) break;
  }
  PRONK_TRY(expect_operator("}"));
  return make_expr(line, DictDisplay{std::move(entries)});
}

Result<ExprPtr> ExpressionParser::parse_postfix(ExprPtr operand) {
  const ChainLength chain(this);
  while (true) {
    PRONK_TRY(chain.longer());
    const int line = current().line;
    if (current().is_operator(".") || current().is_operator("["))
      operand = PRONK_TRY(parse_subscript(std::move(operand)));
    else if (current().is_operator("("))
      operand = PRONK_TRY(parse_call(std::move(operand), line));
    else
      return operand;
  }
}

Result<ExprPtr> ExpressionParser::parse_filters_and_tests(ExprPtr operand) {
  const ChainLength chain(this);
  while (true) {
    PRONK_TRY(chain.longer());
    const int line = current().line;
    if (current().is_operator("|"))
      operand = PRONK_TRY(parse_filters(std::move(operand)));
    else if (current().is_name("is"))
      operand = PRONK_TRY(parse_test(std::move(operand)));
    else if (current().is_operator("("))
      operand = PRONK_TRY(parse_call(std::move(operand), line));
    else
      return operand;
  }
}

Result<ExprPtr> ExpressionParser::parse_filters(ExprPtr operand, bool inline_first) {
  const ChainLength chain(this);
  while (inline_first || skip_operator("|")) {
    PRONK_TRY(chain.longer());
    inline_first = false;
    const int line = current().line;
    std::string name = PRONK_TRY(dotted_name());
    if (!has_filter(name))
      unknown_names_.push_back(syntax_error(line, fmt::format("no filter named '{}'", name)));
    CallArguments arguments;
    if (current().is_operator("(")) arguments = PRONK_TRY(parse_arguments());
    operand =
        make_expr(line, FilterCall{std::move(operand), std::move(name), std::move(arguments)});
  }
  return operand;
}

Result<std::string> ExpressionParser::dotted_name() {
  std::string name = PRONK_TRY(expect(Kind::kName)).text;
  while (skip_operator(".")) name += "." + PRONK_TRY(expect(Kind::kName)).text;
  return name;
}

// After "is": a name with arguments in parentheses, or with one simple argument after it.
Result<ExprPtr> ExpressionParser::parse_test(ExprPtr operand) {
  const int line = next().line;
  const bool negated = skip_name("not");
  std::string name = PRONK_TRY(dotted_name());
  if (!has_test(name))
    unknown_names_.push_back(syntax_error(line, fmt::format("no test named '{}'", name)));
  CallArguments arguments;
  const Token& token = current();
  const bool starts_argument = token.kind == Kind::kString || token.kind == Kind::kInteger ||
                               token.kind == Kind::kFloat || token.is_operator("[") ||
                               token.is_operator("{") ||
                               (token.kind == Kind::kName && token.text != "else" &&
                                token.text != "or" && token.text != "and");
  if (token.is_operator("(")) {
    arguments = PRONK_TRY(parse_arguments());
  } else if (starts_argument) {
    if (token.is_name("is")) return syntax_error(line, "tests cannot be chained with 'is'");
    ExprPtr argument = PRONK_TRY(parse_primary());
    arguments.positional.push_back(PRONK_TRY(parse_postfix(std::move(argument))));
  }
  ExprPtr test =
      make_expr(line, TestCall{std::move(operand), std::move(name), std::move(arguments)});
  return negated ? make_expr(line, Unary{Unary::Op::kNot, std::move(test)}) : std::move(test);
}

Result<ExprPtr> ExpressionParser::parse_subscript(ExprPtr object) {
  const int line = current().line;
  if (skip_operator("[")) return parse_bracket(std::move(object), line);
  PRONK_TRY(expect_operator("."));
  const Token member = next();
  if (member.kind == Kind::kName) return make_expr(line, Attribute{std::move(object), member.text});
  if (member.kind != Kind::kInteger)
    return syntax_error(member.line, fmt::format("expected a name or a number after '.', found {}",
                                                 member.describe()));
  return make_expr(line, Subscript{std::move(object),
                                   make_expr(line, Constant{Value::integer(member.integer)})});
}

Result<ExprPtr> ExpressionParser::parse_call(ExprPtr callee, int line) {
  CallArguments arguments = PRONK_TRY(parse_arguments());
  return make_expr(line, Call{std::move(callee), std::move(arguments)});
}

// Behind "object[": a key, several as a tuple, or start:stop:step.
Result<ExprPtr> ExpressionParser::parse_bracket(ExprPtr object, int line) {
  std::vector<ExprPtr> keys;
  std::vector<ExprPtr> bounds(3);
  std::size_t colons = 0;
  const auto at_end = [&] { return current().is_operator("]") || current().is_operator(","); };
  while (!current().is_operator("]")) {
    if (!keys.empty()) PRONK_TRY(expect_operator(","));
    if (!current().is_operator(":")) keys.push_back(PRONK_TRY(parse_expression()));
    if (!current().is_operator(":")) continue;
    if (keys.size() > 1) return syntax_error(line, "a tuple of slices is not supported");
    if (!keys.empty()) bounds[0] = std::move(keys[0]);
    keys.clear();
    while (colons < 2 && skip_operator(":")) {
      ++colons;
      if (!at_end() && !current().is_operator(":")) bounds[colons] = PRONK_TRY(parse_expression());
    }
    break;
  }
  PRONK_TRY(expect_operator("]"));
  if (colons > 0)
    return make_expr(line, Slice{std::move(object), std::move(bounds[0]), std::move(bounds[1]),
                                 std::move(bounds[2])});
  if (keys.size() == 1) return make_expr(line, Subscript{std::move(object), std::move(keys[0])});
  ExprPtr key = make_expr(line, Sequence{std::move(keys), true});
  return make_expr(line, Subscript{std::move(object), std::move(key)});
}

Result<CallArguments> ExpressionParser::parse_arguments() {
  CallArguments arguments;
  const int line = current().line;
  PRONK_TRY(expect_operator("("));
  while (!current().is_operator(")")) {
    PRONK_TRY(parse_argument(&arguments, line));
    if (!skip_operator(",")) break;
  }
  PRONK_TRY(expect_operator(")"));
  return arguments;
}

Status ExpressionParser::parse_argument(CallArguments* arguments, int line) {
  const Error misplaced = syntax_error(line, "invalid syntax for function call expression");
  if (skip_operator("*")) {
    if (arguments->more || arguments->more_named) return misplaced;
    arguments->more = PRONK_TRY(parse_expression());
  } else if (skip_operator("**")) {
    if (arguments->more_named) return misplaced;
    arguments->more_named = PRONK_TRY(parse_expression());
  } else if (current().kind == Kind::kName && ahead().is_operator("=")) {
    if (arguments->more_named) return misplaced;
    std::string name = next().text;
    next();
    for (const auto& [other, value] : arguments->named)
      if (other == name)
        return syntax_error(line, fmt::format("keyword argument '{}' repeated", name));
    arguments->named.emplace_back(std::move(name), PRONK_TRY(parse_expression()));
  } else {
    if (arguments->more || arguments->more_named || !arguments->named.empty()) return misplaced;
    arguments->positional.push_back(PRONK_TRY(parse_expression()));
  }
  return Ok{};
}

}  // namespace pronk::jinja
