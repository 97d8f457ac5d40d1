// Variables of one block, and those around it.
#pragma once
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "text/jinja_names.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

struct Scope {
  explicit Scope(std::shared_ptr<Scope> around) : parent(std::move(around)) {}

  // The innermost variable of that name; nullptr if none was set.
  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->parent.get())
      if (const auto found = scope->variables.find(name); found != scope->variables.end())
        return &found->second;
    return nullptr;
  }
  void set(std::string_view name, Value value) {
    variables.insert_or_assign(name, std::move(value));
  }

  std::shared_ptr<Scope> parent;
  const MentionedNames* mentioned = nullptr;    // of its block
  std::map<std::string_view, Value> variables;  // names belong to the template
};

}  // namespace pronk::jinja
