#include "text/jinja_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "text/jinja_globals.h"
#include "text/jinja_nesting.h"

namespace pronk::jinja {

namespace {

// Special tokens that the caller names for the template: it writes them as its own.
bool is_token_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

Evaluator::~Evaluator() {
  for (const auto& loop : loops_) {
    loop->recurse = nullptr;
    loop->last_changed.reset();
  }
  for (const auto& space : namespaces_) space->attributes = Dict();
  for (const auto& scope : captured_) scope->variables.clear();
}

Result<Text> Evaluator::render(const Body& body, const json::object& variables) {
  root_ = std::make_shared<Scope>(nullptr);
  const Value converted = PRONK_TRY(from_json(run_, variables));
  for (const DictEntry& entry : converted.as_dict()->entries) {
    const std::string_view name = entry.key.as_text()->view();
    const Text* text = entry.value.as_text();
    const bool own = text && is_token_name(name);
    root_->set(name, own ? Value::text(text->bytes(), true) : entry.value);
  }
  PRONK_TRY(begin_block(body, *root_));
  Text out;
  PRONK_TRY(execute(body, root_, out));
  return out;
}

Status Evaluator::begin_block(const Body& body, Scope& scope) {
  const auto [place, is_new] = blocks_.try_emplace(&body);
  Block& block = place->second;
  if (is_new) {
    std::vector<std::string_view> parameters;
    if (scope.parent)  // else they are the caller's variables, which the template may take over
      for (const auto& [name, value] : scope.variables) parameters.push_back(name);
    block.mentioned = names_of(body, parameters);
    const auto is_mentioned_around = [&](std::string_view name) {
      for (const Scope* around = scope.parent.get(); around; around = around->parent.get())
        if (around->mentioned && around->mentioned->contains(name)) return true;
      return false;
    };
    for (const auto& [name, is_assigned_first] : block.mentioned)
      if (is_assigned_first && !is_mentioned_around(name)) block.unset.push_back(name);
  }
  scope.mentioned = &block.mentioned;
  PRONK_TRY(run_.spend(static_cast<std::int64_t>(block.unset.size())));
  for (const std::string_view name : block.unset)
    scope.set(name, Value::undefined(fmt::format("'{}' is undefined", name)));
  return Ok{};
}

Result<Evaluator::Flow> Evaluator::execute(const Body& body, const ScopePtr& scope, Text& out) {
  const Nesting frame(&num_frames_);
  PRONK_TRY(frame.check(run_, kMaxFrames));
  for (const auto& statement : body) {
    run_.line = statement->line;
    PRONK_TRY(run_.spend());
    const Flow flow = PRONK_TRY(
        std::visit([&](const auto& node) { return run(node, scope, out); }, statement->node));
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Status Evaluator::emit(const Value& value, Text& out) {
  const Text text = PRONK_TRY(to_text(run_, value));
  PRONK_TRY(run_.check_size(out.size() + text.size()));
  out.append(text);
  return Ok{};
}

Status Evaluator::emit_text(const Value& value, Text& out) {
  if (value.as_text()) return emit(value, out);
  return run_.fail(fmt::format("the block gives no string but {}", type_name(value)));
}

Result<Evaluator::Flow> Evaluator::run(const Output& node, const ScopePtr& scope, Text& out) {
  const Value value = PRONK_TRY(evaluate(*node.expr, scope));
  PRONK_TRY(emit(value, out));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const Assign& node, const ScopePtr& scope, Text&) {
  const Value value = PRONK_TRY(evaluate(*node.value, scope));
  PRONK_TRY(assign(node.target, value, *scope));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const AssignBlock& node, const ScopePtr& scope, Text&) {
  Text text;
  const auto inner = std::make_shared<Scope>(scope);
  PRONK_TRY(begin_block(node.body, *inner));
  const Flow flow = PRONK_TRY(execute(node.body, inner, text));
  if (flow != Flow::kNormal) return flow;
  Value value(std::move(text));
  if (node.filter) value = PRONK_TRY(filter_text(node.filter, std::move(value), inner));
  PRONK_TRY(assign(node.target, value, *scope));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const If& node, const ScopePtr& scope, Text& out) {
  for (const auto& [condition, body] : node.branches)
    if (truth(PRONK_TRY(evaluate(*condition, scope)))) return execute(body, scope, out);
  return execute(node.otherwise, scope, out);
}

Result<Evaluator::Flow> Evaluator::run(const For& node, const ScopePtr& scope, Text& out) {
  const Value iterable = PRONK_TRY(evaluate(*node.iterable, scope));
  return iterate_body(node, scope, iterable, 0, out);
}

// The items for which the loop's own condition holds, asked as they come.
std::shared_ptr<Generator> Evaluator::filtered(const For& node, const ScopePtr& scope,
                                               std::shared_ptr<Generator> source, int depth) {
  auto generator = std::make_shared<Generator>();
  generator->depth = depth + 1;
  generator->next = [this, &node, scope,
                     source = std::move(source)]() -> Result<std::optional<Value>> {
    while (true) {
      std::optional<Value> item = PRONK_TRY(source->next());
      if (!item) return item;
      const auto inner = std::make_shared<Scope>(scope);
      PRONK_TRY(assign(node.target, *item, *inner));
      if (truth(PRONK_TRY(evaluate(*node.filter, inner)))) return item;
    }
  };
  return generator;
}

Result<Evaluator::Flow> Evaluator::iterate_body(const For& node, const ScopePtr& scope,
                                                const Value& iterable, int depth0, Text& out) {
  auto state = std::make_shared<LoopState>();
  state->iterable = iterable;
  state->rest = PRONK_TRY(iterate(run_, iterable));
  state->depth0 = depth0;
  if (node.filter) {
    state->rest = filtered(node, scope, std::move(state->rest), value_depth(iterable));
    state->iterable = PRONK_TRY(run_.nested(Value(state->rest)));
  }
  if (node.uses_loop) loops_.push_back(state);
  if (node.recursive)
    state->recurse = [this, &node, scope](const Value& items, int depth) -> Result<Text> {
      Text text;
      PRONK_TRY(iterate_body(node, scope, items, depth, text));
      return text;
    };
  // Jinja's `else` runs unless some pass reached the end of the body.
  bool finished_a_pass = false;
  while (true) {
    std::optional<Value> item = PRONK_TRY(state->advance(run_));
    if (!item) break;
    const auto inner = std::make_shared<Scope>(scope);
    if (node.uses_loop) inner->set("loop", Value(state));
    PRONK_TRY(assign(node.target, *item, *inner));
    PRONK_TRY(begin_block(node.body, *inner));
    const Flow flow = PRONK_TRY(execute(node.body, inner, out));
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) finished_a_pass = true;
  }
  if (finished_a_pass || node.otherwise.empty()) return Flow::kNormal;
  const auto inner = std::make_shared<Scope>(scope);
  PRONK_TRY(begin_block(node.otherwise, *inner));
  return execute(node.otherwise, inner, out);
}

Result<Evaluator::Flow> Evaluator::run(const Break&, const ScopePtr&, Text&) {
  return Flow::kBreak;
}

Result<Evaluator::Flow> Evaluator::run(const Continue&, const ScopePtr&, Text&) {
  return Flow::kContinue;
}

std::shared_ptr<const MacroState> Evaluator::capture(const Macro& macro, const ScopePtr& scope) {
  if (captured_.empty() || captured_.back() != scope) captured_.push_back(scope);
  auto state = std::make_shared<MacroState>();
  state->macro = &macro;
  state->scope = scope;
  return state;
}

Result<Evaluator::Flow> Evaluator::run(const DefineMacro& node, const ScopePtr& scope, Text&) {
  scope->set(node.macro.name, Value(capture(node.macro, scope)));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const CallBlock& node, const ScopePtr& scope, Text& out) {
  const Call& called = std::get<Call>(node.call->node);
  const Value callee = PRONK_TRY(evaluate(*called.callee, scope));
  Arguments arguments = PRONK_TRY(arguments_of(called.arguments, scope));
  if (arguments.find("caller")) return run_.fail("a call block passes 'caller' itself");
  arguments.named.emplace_back("caller", Value(capture(node.caller, scope)));
  const Value reply = PRONK_TRY(call(callee, std::move(arguments)));
  PRONK_TRY(emit_text(reply, out));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const FilterBlock& node, const ScopePtr& scope, Text& out) {
  Text text;
  const auto inner = std::make_shared<Scope>(scope);
  PRONK_TRY(begin_block(node.body, *inner));
  const Flow flow = PRONK_TRY(execute(node.body, inner, text));
  if (flow != Flow::kNormal) return flow;
  const Value value = PRONK_TRY(filter_text(node.filter, Value(std::move(text)), inner));
  PRONK_TRY(emit_text(value, out));
  return Flow::kNormal;
}

Result<Evaluator::Flow> Evaluator::run(const With& node, const ScopePtr& scope, Text& out) {
  const auto inner = std::make_shared<Scope>(scope);
  for (const auto& [target, expr] : node.values) {
    const Value value = PRONK_TRY(evaluate(*expr, scope));
    PRONK_TRY(assign(target, value, *inner));
  }
  PRONK_TRY(begin_block(node.body, *inner));
  return execute(node.body, inner, out);
}

Result<Evaluator::Flow> Evaluator::run(const Generation& node, const ScopePtr& scope, Text& out) {
  const auto inner = std::make_shared<Scope>(scope);
  PRONK_TRY(begin_block(node.body, *inner));
  return execute(node.body, inner, out);
}

Status Evaluator::assign(const Target& target, const Value& value, Scope& scope) {
  if (!target.tuple && target.attribute.empty()) {
    scope.set(target.name, value);
    return Ok{};
  }
  if (!target.tuple) {
    const Value* found = scope.find(target.name);
    Namespace* space = found ? found->object<Namespace>() : nullptr;
    if (!space) return run_.fail("cannot assign attribute on non-namespace object");
    return set_attribute(run_, *space, target.attribute, value);
  }
  const auto items = PRONK_TRY(iterate(run_, value));
  for (std::size_t i = 0; i <= target.items.size(); ++i) {
    std::optional<Value> item = PRONK_TRY(items->next());
    if (item.has_value() != (i < target.items.size()))
      return run_.fail(fmt::format("{} values to unpack, {} expected",
                                   item ? "too many" : "too few", target.items.size()));
    if (item) PRONK_TRY(assign(target.items[i], *item, scope));
  }
  return Ok{};
}

}  // namespace pronk::jinja
