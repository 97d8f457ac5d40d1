// Renders a tree: statements write text, expressions give values.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "text/jinja_ast.h"
#include "text/jinja_loop.h"
#include "text/jinja_runtime.h"
#include "text/jinja_scope.h"

namespace pronk::jinja {

// One rendering. One thread; the tree must outlive it.
class Evaluator {
 public:
  Evaluator(const JinjaLimits& limits, std::int64_t now)
      : run_(limits, now), max_calls_(limits.max_depth) {}
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Result<Text> render(const Body& body, const json::object& variables);

 private:
  using ScopePtr = std::shared_ptr<Scope>;
  enum class Flow { kNormal, kBreak, kContinue };

  // In a new scope that holds a block's parameters: unsets what the block assigns before it reads.
  Status begin_block(const Body& body, Scope& scope);

  // Statements (jinja_eval.cc)
  Result<Flow> execute(const Body& body, const ScopePtr& scope, Text& out);
  Result<Flow> run(const Output& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const Assign& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const AssignBlock& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const If& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const For& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const Break& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const Continue& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const DefineMacro& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const CallBlock& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const FilterBlock& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const With& node, const ScopePtr& scope, Text& out);
  Result<Flow> run(const Generation& node, const ScopePtr& scope, Text& out);
  Result<Flow> iterate_body(const For& node, const ScopePtr& scope, const Value& iterable,
                            int depth0, Text& out);
  std::shared_ptr<Generator> filtered(const For& node, const ScopePtr& scope,
                                      std::shared_ptr<Generator> source, int depth);
  Status assign(const Target& target, const Value& value, Scope& scope);
  Status emit(const Value& value, Text& out);
  Status emit_text(const Value& value, Text& out);  // of a block, which has to be a string

  // Expressions (jinja_eval_expressions.cc)
  Result<Value> evaluate(const Expr& expr, const ScopePtr& scope);
  Result<Value> value_of(const Constant& node, const ScopePtr& scope);
  Result<Value> value_of(const Variable& node, const ScopePtr& scope);
  Result<Value> value_of(const Sequence& node, const ScopePtr& scope);
  Result<Value> value_of(const DictDisplay& node, const ScopePtr& scope);
  Result<Value> value_of(const Attribute& node, const ScopePtr& scope);
  Result<Value> value_of(const Subscript& node, const ScopePtr& scope);
  Result<Value> value_of(const Slice& node, const ScopePtr& scope);
  Result<Value> value_of(const Call& node, const ScopePtr& scope);
  Result<Value> value_of(const FilterCall& node, const ScopePtr& scope);
  Result<Value> value_of(const TestCall& node, const ScopePtr& scope);
  Result<Value> value_of(const Unary& node, const ScopePtr& scope);
  Result<Value> value_of(const ArithmeticChain& node, const ScopePtr& scope);
  Result<Value> value_of(const ComparisonChain& node, const ScopePtr& scope);
  Result<Value> value_of(const Concatenation& node, const ScopePtr& scope);
  Result<Value> value_of(const Logic& node, const ScopePtr& scope);
  Result<Value> value_of(const Conditional& node, const ScopePtr& scope);
  Result<Arguments> arguments_of(const CallArguments& node, const ScopePtr& scope);
  // The filters of a block, applied to its text.
  Result<Value> filter_text(const ExprPtr& filter, Value text, const ScopePtr& scope);

  // Calls
  Result<Value> call(const Value& callee, Arguments arguments);
  Result<Value> call_macro(const MacroState& state, Arguments arguments);
  Status bind_parameters(const Macro& macro, Arguments arguments, const ScopePtr& scope);
  std::shared_ptr<const MacroState> capture(const Macro& macro, const ScopePtr& scope);

  Runtime run_;
  const int max_calls_;
  int num_calls_ = 0;   // macros and recursive loops under way
  int num_frames_ = 0;  // expressions and statements under way
  ScopePtr root_;
  struct Block {
    MentionedNames mentioned;
    std::vector<std::string_view> unset;
  };
  std::map<const Body*, Block> blocks_;  // those that ran
  Value block_text_;  // what the innermost filter block's missing operand stands for
  // Objects that may refer to each other in circles. They live until the end, where the destructor
  // takes them apart.
  std::vector<ScopePtr> captured_;
  std::vector<std::shared_ptr<LoopState>> loops_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace pronk::jinja
