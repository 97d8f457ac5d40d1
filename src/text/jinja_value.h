// The values of a template: Python's, as far as templates can see them.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "pronk/result.h"
#include "text/jinja_text.h"
#include "text/json.h"

namespace pronk::jinja {

class Runtime;  // jinja_runtime.h
class Value;

// JSON holds int64 and uint64; both fit. Arithmetic that leaves 128 bits is an error.
__extension__ typedef __int128 Int;

struct None {};
// What a missing variable or member is: prints as nothing, is false and empty; any other use fails
// with `message`.
struct Undefined {
  std::shared_ptr<const std::string> message;
};

// Lists, tuples and dicts never change: Hugging Face's sandbox forbids it. `depth` counts the
// levels of values within values, so that walking and freeing one costs bounded stack.
struct List {
  std::vector<Value> items;
  int depth = 1;
  bool tuple = false;
  bool group = false;  // a tuple of groupby: its items are also called "grouper" and "list"
};

struct DictEntry;
struct Dict {
  std::vector<DictEntry> entries;                      // in the order of insertion
  std::unordered_map<std::string, std::size_t> index;  // hash_key() -> entry
  int depth = 1;
  const Value* find(const std::string& hash_key) const;
  const Value* find_text(std::string_view key) const;
  void set(std::string hash_key, Value key, Value value);
};

struct DictView {
  enum class Kind { kKeys, kValues, kItems };
  std::shared_ptr<const Dict> dict;
  Kind kind;
};

struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t length() const;
  std::int64_t at(std::int64_t i) const { return start + i * step; }
};

// An iterator: used up as it is read. next() gives the next item, or nothing at the end.
struct Generator {
  std::function<Result<std::optional<Value>>()> next;
  int depth = 1;
};

struct Namespace;
struct Joiner;
struct Cycler;
struct LoopState;
struct MacroState;
struct Method;

// A function of the environment, by name: range, dict, namespace, ...
struct Builtin {
  std::string_view name;
};

class Value {
 public:
  using Variant =
      std::variant<Undefined, None, bool, Int, double, std::shared_ptr<const Text>,
                   std::shared_ptr<const List>, std::shared_ptr<const Dict>, DictView, Range,
                   std::shared_ptr<Generator>, std::shared_ptr<Namespace>, std::shared_ptr<Joiner>,
                   std::shared_ptr<Cycler>, std::shared_ptr<LoopState>,
                   std::shared_ptr<const MacroState>, std::shared_ptr<const Method>, Builtin>;

  Value() : held_(None{}) {}
  template <class T>
  requires std::is_constructible_v<Variant, T> Value(T held) : held_(std::move(held)) {}
  Value(Text text) : held_(std::make_shared<const Text>(std::move(text))) {}
  Value(const char*) = delete;

  static Value integer(Int i) { return Value(Variant(std::in_place_type<Int>, i)); }
  static Value text(std::string bytes, bool own = false) {
    return Value(Text(std::move(bytes), own));
  }
  static Value undefined(std::string message);
  static Value list(std::vector<Value> items, bool tuple = false);
  static Value tuple(std::vector<Value> items) { return list(std::move(items), true); }

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(held_);
  }
  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&held_);
  }
  // The object itself, for the alternatives that share one: nullptr when it is something else.
  template <class T>
  T* object() const {
    const auto* pointer = std::get_if<std::shared_ptr<T>>(&held_);
    return pointer ? pointer->get() : nullptr;
  }
  const Text* as_text() const { return object<const Text>(); }
  const List* as_list() const { return object<const List>(); }  // or tuple
  const Dict* as_dict() const { return object<const Dict>(); }
  bool is_undefined() const { return is<Undefined>(); }
  bool is_none() const { return is<None>(); }
  // int and bool, as Python's int is.
  std::optional<Int> as_integer() const;
  std::optional<double> as_number() const;  // int, bool or float
  const Variant& held() const { return held_; }

 private:
  explicit Value(Variant held) : held_(std::move(held)) {}
  Variant held_;
};

struct DictEntry {
  Value key, value;
};

struct Namespace {
  Dict attributes;
};
struct Joiner {
  Value separator;
  bool used = false;
};
struct Cycler {
  std::vector<Value> items;
  std::size_t position = 0;
  int depth = 1;
};
// A method bound to the object it was read from: "text.strip".
struct Method {
  Value self;
  std::string_view name;
};

int value_depth(const Value& value);
bool truth(const Value& value);
std::string_view type_name(const Value& value);  // "str", "int", "NoneType", ...

// str(value) and repr(value). Errors: too deep, too large.
Result<Text> to_text(Runtime& run, const Value& value);
Result<Text> to_repr(Runtime& run, const Value& value);
std::string float_repr(double number);
std::string integer_text(Int integer);

// A key that equal values share (1, 1.0 and True are equal in Python). Error: an unhashable type.
Result<std::string> hash_key(Runtime& run, const Value& value);

Result<bool> equal(Runtime& run, const Value& a, const Value& b);

// JSON becomes values; all its strings are marked as not the template's. Error: nested too deep.
Result<Value> from_json(Runtime& run, const json::value& value);
Result<Value> from_json(Runtime& run, const json::object& object);

}  // namespace pronk::jinja
