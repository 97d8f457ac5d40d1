// The functions that every template may call: Jinja's and Hugging Face's.
#pragma once
#include <optional>
#include <string_view>

#include "text/jinja_runtime.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

// range, dict, namespace, joiner, cycler, raise_exception, strftime_now.
std::optional<Value> find_global(std::string_view name);
Result<Value> call_global(Runtime& run, std::string_view name, const Arguments& arguments);

// Sets an attribute of a namespace. Error: a name that Hugging Face reserves.
Status set_attribute(Runtime& run, Namespace& space, std::string_view name, Value value);

}  // namespace pronk::jinja
