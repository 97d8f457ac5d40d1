#include "text/jinja_names.h"

#include <utility>

namespace pronk::jinja {
namespace {

// Walks a block in the order in which Jinja 3.1's symbol visitor does, which is not always the
// order of evaluation.
class NameWalk {
 public:
  explicit NameWalk(const std::vector<std::string_view>& set_before) {
    for (const std::string_view name : set_before) names.emplace(name, false);
  }

  void walk(const Body& body) {
    for (const auto& statement : body)
      std::visit([&](const auto& node) { visit(node); }, statement->node);
  }

  MentionedNames names;

 private:
  void load(std::string_view name) { names.emplace(name, false); }
  void store(std::string_view name) { names.emplace(name, !in_branch_); }

  void visit(const Output& node) { read(*node.expr); }
  void visit(const Assign& node) {
    read(*node.value);
    visit(node.target);
  }
  void visit(const AssignBlock& node) { visit(node.target); }
  void visit(const For& node) { read(*node.iterable); }
  void visit(const Break&) {}
  void visit(const Continue&) {}
  void visit(const DefineMacro& node) { store(node.macro.name); }
  void visit(const CallBlock& node) { read(*node.call); }
  void visit(const FilterBlock& node) { read(*node.filter); }
  void visit(const With& node) {
    for (const auto& [target, value] : node.values) read(*value);
  }
  void visit(const Generation&) {}
  void visit(const Target& target) {
    for (const Target& item : target.items) visit(item);
    if (target.tuple) return;
    if (target.attribute.empty())
      store(target.name);
    else
      load(target.name);
  }

  // What a branch assigns is before that what it is outside, since the branch may not be taken.
  void visit(const If& node) {
    const bool was_in_branch = std::exchange(in_branch_, true);
    for (const auto& [condition, body] : node.branches) {
      read(*condition);
      walk(body);
    }
    walk(node.otherwise);
    in_branch_ = was_in_branch;
  }

  void read(const Expr& expr) {
    std::visit([&](const auto& node) { read(node); }, expr.node);
  }
  void read(const ExprPtr& expr) {
    if (expr) read(*expr);
  }
  void read(const std::vector<ExprPtr>& exprs) {
    for (const ExprPtr& expr : exprs) read(expr);
  }
  void read(const CallArguments& arguments) {
    read(arguments.positional);
    for (const auto& [name, value] : arguments.named) read(value);
    read(arguments.more);
    read(arguments.more_named);
  }
  void read(const Constant&) {}
  void read(const Variable& node) { load(node.name); }
  void read(const Sequence& node) { read(node.items); }
  void read(const DictDisplay& node) {
    for (const auto& [key, value] : node.entries) read(key), read(value);
  }
  void read(const Attribute& node) { read(node.object); }
  void read(const Subscript& node) { read(node.object), read(node.key); }
  void read(const Slice& node) {
    for (const ExprPtr* part : {&node.object, &node.start, &node.stop, &node.step}) read(*part);
  }
  void read(const Call& node) { read(node.callee), read(node.arguments); }
  void read(const FilterCall& node) { read(node.operand), read(node.arguments); }
  void read(const TestCall& node) { read(node.operand), read(node.arguments); }
  void read(const Unary& node) { read(node.operand); }
  void read(const ArithmeticChain& node) {
    read(node.first);
    for (const auto& [op, operand] : node.rest) read(operand);
  }
  void read(const ComparisonChain& node) {
    read(node.first);
    for (const auto& [op, operand] : node.rest) read(operand);
  }
  void read(const Concatenation& node) { read(node.parts); }
  void read(const Logic& node) { read(node.parts); }
  void read(const Conditional& node) {
    for (const ExprPtr* part : {&node.condition, &node.then, &node.otherwise}) read(*part);
  }

  bool in_branch_ = false;
};

}  // namespace

MentionedNames names_of(const Body& body, const std::vector<std::string_view>& set_before) {
  NameWalk names(set_before);
  names.walk(body);
  return std::move(names.names);
}

}  // namespace pronk::jinja
