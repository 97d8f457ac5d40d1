// The expressions of a template.
#pragma once
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"

namespace pronk::jinja {

// Reads expressions from a list of tokens, of which it keeps the place; the statement parser builds
// on it.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, int max_depth)
      : tokens_(std::move(tokens)), max_depth_(max_depth) {}

 protected:
  using Kind = Token::Kind;

  // Up to one of `ends` (names) or the tag's end: one expression, or several as a tuple.
  Result<ExprPtr> parse_tuple(bool conditional = true,
                              std::initializer_list<std::string_view> ends = {});
  Result<ExprPtr> parse_expression(bool conditional = true);
  // "| filter | filter(...)" upon `operand`; with `inline_first` the first has no "|".
  Result<ExprPtr> parse_filters(ExprPtr operand, bool inline_first = false);

  const Token& current() const { return tokens_[position_]; }
  const Token& ahead() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  Token next();
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view sign);
  Result<Token> expect(Kind kind);
  Status expect_name(std::string_view name);
  Status expect_operator(std::string_view sign);
  Error unexpected() const;
  bool is_tuple_end(std::initializer_list<std::string_view> ends) const;

  // Counts one level of nesting while it lives.
  class Level {
   public:
    explicit Level(int* depth) : depth_(depth) { ++*depth_; }
    ~Level() { --*depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int* depth_;
  };
  Status check_depth() const;

  int depth_ = 0;
  // Filters and tests that do not exist. Within an if or a conditional expression they are forgiven
  // here and fail only when they run.
  std::vector<Error> unknown_names_;
  void forgive_unknown_names(std::size_t from) {
    unknown_names_.erase(unknown_names_.begin() + static_cast<std::ptrdiff_t>(from),
                         unknown_names_.end());
  }
  // Every variable that was read, or "=name" where it was set, in order: how a macro or a loop
  // learns what its body mentions.
  std::vector<std::string> mentioned_;

 private:
  Result<ExprPtr> parse_conditional();
  Result<ExprPtr> parse_logic(bool is_and);
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_comparison();
  using Operand = Result<ExprPtr> (ExpressionParser::*)();
  Result<ExprPtr> parse_chain(std::initializer_list<std::pair<std::string_view, Arithmetic>> signs,
                              Operand operand);
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concatenation();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_operand();
  Result<ExprPtr> parse_unary(bool with_filters);
  Result<ExprPtr> parse_primary();
  Result<ExprPtr> parse_postfix(ExprPtr operand);
  Result<ExprPtr> parse_filters_and_tests(ExprPtr operand);
  Result<ExprPtr> parse_test(ExprPtr operand);
  Result<std::string> dotted_name();
  Result<ExprPtr> parse_subscript(ExprPtr object);
  Result<ExprPtr> parse_bracket(ExprPtr object, int line);
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_call(ExprPtr callee, int line);
  Result<CallArguments> parse_arguments();
  Status parse_argument(CallArguments* arguments, int line);

  // a.b.c|d|e nests to the left: every link counts as a level of nesting.
  class ChainLength {
   public:
    explicit ChainLength(ExpressionParser* parser) : parser_(parser), start_(parser->depth_) {}
    ~ChainLength() { parser_->depth_ = start_; }
    ChainLength(const ChainLength&) = delete;
    ChainLength& operator=(const ChainLength&) = delete;
    Status longer() const {
      ++parser_->depth_;
      return parser_->check_depth();
    }

   private:
    ExpressionParser* parser_;
    int start_;
  };

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  int max_depth_;
};

template <class Node>
ExprPtr make_expr(int line, Node node) {
  return std::make_unique<const Expr>(Expr{line, std::move(node)});
}

}  // namespace pronk::jinja
