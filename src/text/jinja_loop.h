// The object `loop` of a for loop, and macros as values.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_runtime.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

struct LoopState {
  Value iterable;
  std::shared_ptr<Generator> rest;
  // The item after the current one, once it was asked for.
  std::optional<std::optional<Value>> ahead;
  std::optional<Value> before, current;
  std::optional<std::vector<Value>> last_changed;
  std::optional<std::int64_t> length;
  std::int64_t index0 = -1;
  int depth0 = 0;
  // Renders the loop's body over another iterable: only of a loop marked recursive.
  std::function<Result<Text>(const Value& iterable, int depth0)> recurse;

  // The next item; empty at the end.
  Result<std::optional<Value>> advance(Runtime& run);
};

// loop.index, loop.last, ...; empty for an unknown name.
Result<std::optional<Value>> loop_attribute(Runtime& run, const Value& loop, std::string_view name);
// loop.cycle(...), loop.changed(...).
Result<Value> call_loop_method(Runtime& run, LoopState& loop, std::string_view name,
                               const Arguments& arguments);

struct Macro;  // jinja_ast.h
struct Scope;  // jinja_scope.h

// A macro and the scope that it was defined in.
struct MacroState {
  const Macro* macro = nullptr;
  std::shared_ptr<Scope> scope;
};
std::optional<Value> macro_attribute(const MacroState& macro, std::string_view name);

}  // namespace pronk::jinja
