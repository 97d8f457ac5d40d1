#include "text/jinja_loop.h"

#include <fmt/format.h>

#include "text/jinja_ast.h"

namespace pronk::jinja {
namespace {

Result<std::optional<Value>> peek(Runtime& run, LoopState& loop) {
  PRONK_TRY(run.spend());
  if (!loop.ahead) loop.ahead = PRONK_TRY(loop.rest->next());
  return *loop.ahead;
}

Result<std::int64_t> length(Runtime& run, LoopState& loop) {
  if (loop.length) return *loop.length;
  loop.length = length_of(loop.iterable);
  if (!loop.length) {
    // Not known beforehand: reads all that is left.
    std::vector<Value> left = PRONK_TRY(to_items(run, loop.rest));
    const bool has_ahead = loop.ahead && *loop.ahead;
    loop.length = static_cast<std::int64_t>(left.size()) + loop.index0 + 1 + (has_ahead ? 1 : 0);
    loop.rest = PRONK_TRY(iterate(run, Value::list(std::move(left))));
  }
  return *loop.length;
}

}  // namespace

Result<std::optional<Value>> LoopState::advance(Runtime& run) {
  PRONK_TRY(run.spend());
  std::optional<Value> next = ahead && *ahead ? *std::move(ahead) : PRONK_TRY(rest->next());
  ahead.reset();
  if (next) {
    ++index0;
    before = std::move(current);
    current = next;
  }
  return next;
}

Result<std::optional<Value>> loop_attribute(Runtime& run, const Value& object,
                                            std::string_view name) {
  LoopState& loop = *object.object<LoopState>();
  const auto number = [](std::int64_t n) { return std::optional(Value::integer(n)); };
  if (name == "index") return number(loop.index0 + 1);
  if (name == "index0") return number(loop.index0);
  if (name == "first") return std::optional(Value(loop.index0 == 0));
  if (name == "last") return std::optional(Value(!PRONK_TRY(peek(run, loop)).has_value()));
  if (name == "length") return number(PRONK_TRY(length(run, loop)));
  if (name == "revindex") return number(PRONK_TRY(length(run, loop)) - loop.index0);
  if (name == "revindex0") return number(PRONK_TRY(length(run, loop)) - loop.index0 - 1);
  if (name == "depth") return number(loop.depth0 + 1);
  if (name == "depth0") return number(loop.depth0);
  if (name == "previtem")
    return std::optional(loop.index0 == 0 || !loop.before
                             ? Value::undefined("there is no previous item")
                             : *loop.before);
  if (name == "nextitem") {
    std::optional<Value> next = PRONK_TRY(peek(run, loop));
    return next ? next : std::optional(Value::undefined("there is no next item"));
  }
  for (const std::string_view method : {std::string_view("cycle"), std::string_view("changed")})
    if (name == method)
      return std::optional<Value>(std::make_shared<const Method>(Method{object, method}));
  return std::optional<Value>();
}

Result<Value> call_loop_method(Runtime& run, LoopState& loop, std::string_view name,
                               const Arguments& arguments) {
  if (!arguments.named.empty()) return run.fail("loop's methods take no keyword arguments");
  const std::vector<Value>& values = arguments.positional;
  if (name == "cycle") {
    if (values.empty()) return run.fail("no items for cycling given");
    return values[static_cast<std::size_t>(loop.index0) % values.size()];
  }
  bool changed = !loop.last_changed || loop.last_changed->size() != values.size();
  for (std::size_t i = 0; !changed && i < values.size(); ++i)
    changed = !PRONK_TRY(equal(run, (*loop.last_changed)[i], values[i]));
  if (changed) loop.last_changed = values;
  return Value(changed);
}

std::optional<Value> macro_attribute(const MacroState& state, std::string_view name) {
  const Macro& macro = *state.macro;
  if (name == "name") return macro.name.empty() ? Value() : Value::text(macro.name, true);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const Macro::Parameter& parameter : macro.parameters)
      names.push_back(Value::text(parameter.name, true));
    return Value::list(std::move(names));
  }
  if (name == "caller") return Value(macro.uses_caller);
  if (name == "catch_kwargs") return Value(macro.uses_kwargs);
  if (name == "catch_varargs") return Value(macro.uses_varargs);
  return std::nullopt;
}

}  // namespace pronk::jinja
