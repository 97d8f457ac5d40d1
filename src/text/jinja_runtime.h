// What all operations of one rendering share: limits, the current line, the clock.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

class Runtime {
 public:
  Runtime(const JinjaLimits& limits, std::int64_t local_time)
      : now(local_time), limits_(limits), steps_left_(limits.max_steps) {}

  // Counts work: one for a node or an item. Error: kResourceExhausted.
  Status spend(std::int64_t steps = 1);
  // Counts `bytes` about to be made or read, and checks their size.
  Status spend_bytes(std::size_t bytes);
  // Refuses a text longer than the output may be.
  Status check_size(std::size_t bytes) const;
  // A new value that holds others: no deeper than kMaxValueDepth.
  Result<Value> nested(Value value) const;

  // An error with the line that is being evaluated.
  Error fail(std::string message) const;
  Error undefined(const Undefined& value) const { return fail(*value.message); }
  Error exhausted(std::string message) const;

  static constexpr int kMaxValueDepth = 200;
  static constexpr std::size_t kBytesPerStep = 16;
  int line = 0;
  const std::int64_t now;  // seconds since the epoch, in local time

 private:
  const JinjaLimits& limits_;
  std::int64_t steps_left_;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  const Value* find(std::string_view name) const;
};

// The arguments of a call in the order of `names`; what was not given is empty. The first
// `required` must be given. Errors: too many, unknown, given twice, missing.
class Parameters {
 public:
  static Result<Parameters> bind(Runtime& run, std::string_view function,
                                 const Arguments& arguments,
                                 std::initializer_list<std::string_view> names, int required = 0);

  const std::optional<Value>& operator[](std::size_t i) const { return values_[i]; }
  bool has(std::size_t i) const { return values_[i].has_value(); }
  bool truth_or(std::size_t i, bool otherwise) const;
  // Errors: not an integer (None counts as not given where `none_is_absent`).
  Result<std::int64_t> integer_or(Runtime& run, std::size_t i, std::int64_t otherwise) const;
  // Errors: not a string.
  Result<Text> text_or(Runtime& run, std::size_t i, std::string_view otherwise) const;

 private:
  std::string_view function_;
  std::vector<std::optional<Value>> values_;
};

// iter(value): a list, tuple, dict (its keys), string (its characters), range, generator, undefined
// (nothing). Error: not iterable.
Result<std::shared_ptr<Generator>> iterate(Runtime& run, const Value& value);
Result<std::vector<Value>> to_items(Runtime& run, const Value& value);
bool is_iterable(const Value& value);
// len(value); empty for what has none.
std::optional<std::int64_t> length_of(const Value& value);

}  // namespace pronk::jinja
