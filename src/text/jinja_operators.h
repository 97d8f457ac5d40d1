// What Python's operators do with values.
#pragma once
#include <optional>
#include <string_view>

#include "text/jinja_runtime.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
Result<Value> arithmetic(Runtime& run, Arithmetic op, const Value& a, const Value& b);
Result<Value> negated(Runtime& run, const Value& a);
Result<Value> plus(Runtime& run, const Value& a);  // +a

enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};
Result<bool> compare(Runtime& run, Comparison op, const Value& a, const Value& b);

Result<bool> contains(Runtime& run, const Value& container, const Value& item);

// object.name: an attribute or method, else a dict's member, else undefined.
Result<Value> get_attribute(Runtime& run, const Value& object, std::string_view name);
// getattr(object, name): an attribute or method; empty if there is none.
Result<std::optional<Value>> get_own_attribute(Runtime& run, const Value& object,
                                               std::string_view name);
// object[key]: a member, else (for a string key) an attribute or method, else undefined.
Result<Value> get_item(Runtime& run, const Value& object, const Value& key);
// object[start:stop:step], each of which may be None.
Result<Value> get_slice(Runtime& run, const Value& object, const Value& start, const Value& stop,
                        const Value& step);

// What calls of methods and of the loop object need; the evaluator knows macros and globals.
Result<Value> call_method(Runtime& run, const Method& method, const Arguments& arguments);
// The method's own name if `object` has it: a view that lives forever.
std::optional<std::string_view> find_method(const Value& object, std::string_view name);

// format % values, for a string `format`.
Result<Value> percent_format(Runtime& run, const Text& format, const Value& values);
// format.format(...).
Result<Value> brace_format(Runtime& run, const Text& format, const Arguments& arguments);

}  // namespace pronk::jinja
