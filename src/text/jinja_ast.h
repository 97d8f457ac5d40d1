// A template as a tree. Built by the parser, immutable from then on.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja_operators.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<const Expr>;
struct Statement;
using Body = std::vector<std::unique_ptr<const Statement>>;

// ---- Expressions

struct Constant {
  Value value;
};
struct Variable {
  std::string name;
};
struct Sequence {  // [a, b] or (a, b)
  std::vector<ExprPtr> items;
  bool tuple = false;
};
struct DictDisplay {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct Attribute {  // object.name
  ExprPtr object;
  std::string name;
};
struct Subscript {  // object[key]
  ExprPtr object, key;
};
struct Slice {  // object[start:stop:step]; a missing part is nullptr
  ExprPtr object, start, stop, step;
};
struct CallArguments {  // f(a, name=b, *more, **named)
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr more, more_named;
};
struct Call {
  ExprPtr callee;
  CallArguments arguments;
};
struct FilterCall {  // operand | name(...); without an operand: of a filter block
  ExprPtr operand;
  std::string name;
  CallArguments arguments;
};
struct TestCall {  // operand is name(...)
  ExprPtr operand;
  std::string name;
  CallArguments arguments;
};
struct Unary {
  enum class Op { kNot, kNegative, kPositive };
  Op op;
  ExprPtr operand;
};
// first op operand op operand ..., from left to right. A chain is one node, so that a long one is
// not a deep one.
struct ArithmeticChain {
  ExprPtr first;
  std::vector<std::pair<Arithmetic, ExprPtr>> rest;
};
struct ComparisonChain {  // a < b < c: all of them
  ExprPtr first;
  std::vector<std::pair<Comparison, ExprPtr>> rest;
};
struct Concatenation {  // a ~ b ~ c
  std::vector<ExprPtr> parts;
};
struct Logic {  // a and b and c; a or b or c
  bool is_and;
  std::vector<ExprPtr> parts;
};
struct Conditional {  // then if condition else otherwise (nullptr: undefined)
  ExprPtr condition, then, otherwise;
};

struct Expr {
  int line = 0;
  std::variant<Constant, Variable, Sequence, DictDisplay, Attribute, Subscript, Slice, Call,
               FilterCall, TestCall, Unary, ArithmeticChain, ComparisonChain, Concatenation, Logic,
               Conditional>
      node;
};

// ---- Statements

// What is assigned to: a name, a namespace's attribute (x.attribute), or a tuple of targets.
struct Target {
  std::string name, attribute;
  std::vector<Target> items;
  bool tuple = false;
};

struct Output {  // template text, or {{ expression }}
  ExprPtr expr;
};
struct Assign {
  Target target;
  ExprPtr value;
};
struct AssignBlock {  // {% set x | filter %}...{% endset %}
  Target target;
  ExprPtr filter;  // nullptr, or FilterCalls around an operand that is missing
  Body body;
};
struct If {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExprPtr iterable, filter;
  Body body, otherwise;
  bool recursive = false;
  bool uses_loop = false;  // the body mentions `loop`
};
struct Break {};
struct Continue {};
struct Macro {
  struct Parameter {
    std::string name;
    ExprPtr otherwise;  // nullptr: none
  };
  std::string name;  // empty: the body of a call block
  std::vector<Parameter> parameters;
  Body body;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};
struct DefineMacro {
  Macro macro;
};
struct CallBlock {
  ExprPtr call;
  Macro caller;
};
struct FilterBlock {
  ExprPtr filter;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExprPtr>> values;
  Body body;
};
struct Generation {  // Hugging Face's {% generation %}: marks a reply for training; a scope here
  Body body;
};

struct Statement {
  int line = 0;
  std::variant<Output, Assign, AssignBlock, If, For, Break, Continue, DefineMacro, CallBlock,
               FilterBlock, With, Generation>
      node;
};

}  // namespace pronk::jinja
