#include <fmt/format.h>

#include "text/jinja_eval.h"
#include "text/jinja_filters.h"
#include "text/jinja_globals.h"
#include "text/jinja_nesting.h"
#include "text/jinja_operators.h"

namespace pronk::jinja {

Result<Value> Evaluator::evaluate(const Expr& expr, const ScopePtr& scope) {
  const Nesting frame(&num_frames_);
  PRONK_TRY(frame.check(run_, kMaxFrames));
  run_.line = expr.line;
  PRONK_TRY(run_.spend());
  return std::visit([&](const auto& node) { return value_of(node, scope); }, expr.node);
}

Result<Value> Evaluator::value_of(const Constant& node, const ScopePtr&) { return node.value; }

Result<Value> Evaluator::value_of(const Variable& node, const ScopePtr& scope) {
  if (const Value* found = scope->find(node.name)) return *found;
  if (const auto global = find_global(node.name)) return *global;
  return Value::undefined(fmt::format("'{}' is undefined", node.name));
}

Result<Value> Evaluator::value_of(const Sequence& node, const ScopePtr& scope) {
  std::vector<Value> items;
  for (const ExprPtr& item : node.items) items.push_back(PRONK_TRY(evaluate(*item, scope)));
  return run_.nested(Value::list(std::move(items), node.tuple));
}

Result<Value> Evaluator::value_of(const DictDisplay& node, const ScopePtr& scope) {
  auto dict = std::make_shared<Dict>();
  for (const auto& [key_expr, value_expr] : node.entries) {
    Value key = PRONK_TRY(evaluate(*key_expr, scope));
    Value value = PRONK_TRY(evaluate(*value_expr, scope));
    std::string hash = PRONK_TRY(hash_key(run_, key));
    dict->set(std::move(hash), std::move(key), std::move(value));
  }
  return run_.nested(Value(std::shared_ptr<const Dict>(std::move(dict))));
}

Result<Value> Evaluator::value_of(const Attribute& node, const ScopePtr& scope) {
  return get_attribute(run_, PRONK_TRY(evaluate(*node.object, scope)), node.name);
}

Result<Value> Evaluator::value_of(const Subscript& node, const ScopePtr& scope) {
  const Value object = PRONK_TRY(evaluate(*node.object, scope));
  return get_item(run_, object, PRONK_TRY(evaluate(*node.key, scope)));
}

Result<Value> Evaluator::value_of(const Slice& node, const ScopePtr& scope) {
  const auto bound = [&](const ExprPtr& expr) {
    return expr ? evaluate(*expr, scope) : Result<Value>(Value());
  };
  const Value object = PRONK_TRY(evaluate(*node.object, scope));
  const Value start = PRONK_TRY(bound(node.start));
  const Value stop = PRONK_TRY(bound(node.stop));
  const Value step = PRONK_TRY(bound(node.step));
  return get_slice(run_, object, start, stop, step);
}

Result<Value> Evaluator::value_of(const FilterCall& node, const ScopePtr& scope) {
  const Value operand = node.operand ? PRONK_TRY(evaluate(*node.operand, scope)) : block_text_;
  const Arguments arguments = PRONK_TRY(arguments_of(node.arguments, scope));
  return apply_filter(run_, node.name, operand, arguments);
}

Result<Value> Evaluator::filter_text(const ExprPtr& filter, Value text, const ScopePtr& scope) {
  const Value outer = std::exchange(block_text_, std::move(text));
  Result<Value> filtered = evaluate(*filter, scope);
  block_text_ = outer;
  return filtered;
}

Result<Value> Evaluator::value_of(const TestCall& node, const ScopePtr& scope) {
  const Value operand = PRONK_TRY(evaluate(*node.operand, scope));
  const Arguments arguments = PRONK_TRY(arguments_of(node.arguments, scope));
  return Value(PRONK_TRY(apply_test(run_, node.name, operand, arguments)));
}

Result<Value> Evaluator::value_of(const Unary& node, const ScopePtr& scope) {
  const Value operand = PRONK_TRY(evaluate(*node.operand, scope));
  switch (node.op) {
    case Unary::Op::kNot:
      return Value(!truth(operand));
    case Unary::Op::kNegative:
      return negated(run_, operand);
    case Unary::Op::kPositive:
      return plus(run_, operand);
  }
  return operand;
}

Result<Value> Evaluator::value_of(const ArithmeticChain& node, const ScopePtr& scope) {
  Value left = PRONK_TRY(evaluate(*node.first, scope));
  for (const auto& [op, expr] : node.rest) {
    const Value right = PRONK_TRY(evaluate(*expr, scope));
    Value result = PRONK_TRY(arithmetic(run_, op, left, right));
    left = PRONK_TRY(run_.nested(std::move(result)));
  }
  return left;
}

Result<Value> Evaluator::value_of(const ComparisonChain& node, const ScopePtr& scope) {
  Value left = PRONK_TRY(evaluate(*node.first, scope));
  for (const auto& [op, expr] : node.rest) {
    Value right = PRONK_TRY(evaluate(*expr, scope));
    if (!PRONK_TRY(compare(run_, op, left, right))) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Evaluator::value_of(const Concatenation& node, const ScopePtr& scope) {
  std::vector<Value> parts;
  for (const ExprPtr& part : node.parts) parts.push_back(PRONK_TRY(evaluate(*part, scope)));
  Text out;
  for (const Value& part : parts) PRONK_TRY(emit(part, out));
  return Value(std::move(out));
}

// Python's `and` and `or` give one of their operands.
Result<Value> Evaluator::value_of(const Logic& node, const ScopePtr& scope) {
  Value value;
  for (const ExprPtr& part : node.parts) {
    value = PRONK_TRY(evaluate(*part, scope));
    if (truth(value) != node.is_and) break;
  }
  return value;
}

Result<Value> Evaluator::value_of(const Conditional& node, const ScopePtr& scope) {
  if (truth(PRONK_TRY(evaluate(*node.condition, scope)))) return evaluate(*node.then, scope);
  if (node.otherwise) return evaluate(*node.otherwise, scope);
  return Value::undefined("the inline if-expression was false and has no else section");
}

// ---- Calls

Result<Arguments> Evaluator::arguments_of(const CallArguments& node, const ScopePtr& scope) {
  Arguments arguments;
  for (const ExprPtr& expr : node.positional)
    arguments.positional.push_back(PRONK_TRY(evaluate(*expr, scope)));
  if (node.more) {
    const Value more = PRONK_TRY(evaluate(*node.more, scope));
    for (Value& value : PRONK_TRY(to_items(run_, more)))
      arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, expr] : node.named)
    arguments.named.emplace_back(name, PRONK_TRY(evaluate(*expr, scope)));
  if (!node.more_named) return arguments;
  const Value more = PRONK_TRY(evaluate(*node.more_named, scope));
  if (!more.as_dict()) return run_.fail("the argument after ** must be a mapping");
  for (const DictEntry& entry : more.as_dict()->entries) {
    const Text* name = entry.key.as_text();
    if (!name) return run_.fail("keywords must be strings");
    if (arguments.find(name->view()))
      return run_.fail(fmt::format("got multiple values for keyword argument '{}'", name->view()));
    arguments.named.emplace_back(name->bytes(), entry.value);
  }
  return arguments;
}

Result<Value> Evaluator::value_of(const Call& node, const ScopePtr& scope) {
  const Value callee = PRONK_TRY(evaluate(*node.callee, scope));
  return call(callee, PRONK_TRY(arguments_of(node.arguments, scope)));
}

Result<Value> Evaluator::call(const Value& callee, Arguments arguments) {
  if (const Undefined* undefined = callee.get_if<Undefined>()) return run_.undefined(*undefined);
  if (const Builtin* builtin = callee.get_if<Builtin>()) {
    Value made = PRONK_TRY(call_global(run_, builtin->name, arguments));
    if (const auto* space = made.get_if<std::shared_ptr<Namespace>>())
      namespaces_.push_back(*space);
    return made;
  }
  if (const Method* method = callee.object<const Method>())
    return run_.nested(PRONK_TRY(call_method(run_, *method, arguments)));
  if (const MacroState* macro = callee.object<const MacroState>())
    return call_macro(*macro, std::move(arguments));
  if (Joiner* joiner = callee.object<Joiner>()) {
    PRONK_TRY(Parameters::bind(run_, "joiner", arguments, {}));
    return std::exchange(joiner->used, true) ? joiner->separator : Value(Text());
  }
  if (const LoopState* loop = callee.object<LoopState>()) {
    const Parameters p = PRONK_TRY(Parameters::bind(run_, "loop", arguments, {"iterable"}, 1));
    if (!loop->recurse)
      return run_.fail("the loop must have the 'recursive' marker to be called recursively");
    const Nesting nesting(&num_calls_);
    PRONK_TRY(nesting.check(run_, max_calls_));
    return Value(PRONK_TRY(loop->recurse(*p[0], loop->depth0 + 1)));
  }
  return run_.fail(fmt::format("'{}' object is not callable", type_name(callee)));
}

Result<Value> Evaluator::call_macro(const MacroState& state, Arguments arguments) {
  const Nesting nesting(&num_calls_);
  PRONK_TRY(nesting.check(run_, max_calls_));
  const auto scope = std::make_shared<Scope>(state.scope);
  PRONK_TRY(bind_parameters(*state.macro, std::move(arguments), scope));
  PRONK_TRY(begin_block(state.macro->body, *scope));
  Text out;
  PRONK_TRY(execute(state.macro->body, scope, out));
  return Value(std::move(out));
}

// Positional arguments first, then keywords and defaults; what is left goes to `varargs`, `kwargs`
// and `caller` where the body mentions them, and is an error where it does not.
Status Evaluator::bind_parameters(const Macro& macro, Arguments arguments, const ScopePtr& scope) {
  const auto take_named = [&](std::string_view name) -> std::optional<Value> {
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (it->first != name) continue;
      Value value = std::move(it->second);
      arguments.named.erase(it);
      return value;
    }
    return std::nullopt;
  };
  const std::size_t num_positional = std::min(arguments.positional.size(), macro.parameters.size());
  std::vector<const Macro::Parameter*> missing;
  bool takes_caller = false;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Macro::Parameter& parameter = macro.parameters[i];
    takes_caller = takes_caller || parameter.name == "caller";
    std::optional<Value> value =
        i < num_positional ? arguments.positional[i] : take_named(parameter.name);
    if (value)
      scope->set(parameter.name, *std::move(value));
    else
      missing.push_back(&parameter);
  }
  if (macro.uses_caller && !takes_caller) {
    std::optional<Value> caller = take_named("caller");
    scope->set("caller", caller && !caller->is_none() ? *std::move(caller)
                                                      : Value::undefined("no caller defined"));
  }
  if (macro.uses_kwargs) {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, value] : arguments.named)
      dict->set("s" + name, Value::text(name, true), std::move(value));
    scope->set("kwargs", PRONK_TRY(run_.nested(Value(std::shared_ptr<const Dict>(dict)))));
  } else if (!arguments.named.empty()) {
    return run_.fail(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name,
                                 arguments.named.front().first));
  }
  if (macro.uses_varargs) {
    std::vector<Value> rest(
        arguments.positional.begin() + static_cast<std::ptrdiff_t>(num_positional),
        arguments.positional.end());
    scope->set("varargs", PRONK_TRY(run_.nested(Value::tuple(std::move(rest)))));
  } else if (arguments.positional.size() > num_positional) {
    return run_.fail(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name,
                                 macro.parameters.size()));
  }
  for (const Macro::Parameter* parameter : missing)
    scope->set(parameter->name, parameter->otherwise
                                    ? PRONK_TRY(evaluate(*parameter->otherwise, scope))
                                    : Value::undefined(fmt::format(
                                          "parameter '{}' was not provided", parameter->name)));
  return Ok{};
}

}  // namespace pronk::jinja
