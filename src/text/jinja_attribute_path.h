// "a.b.0": what filters with an `attribute` read from every item.
#pragma once
#include <optional>
#include <vector>

#include "text/jinja_runtime.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

class AttributePath {
 public:
  AttributePath() = default;
  // None: the item itself; a string: parts with dots between them; else one key.
  static Result<AttributePath> make(Runtime& run, const Value& attribute);
  Result<Value> operator()(Runtime& run, Value item) const;

  bool ignore_case = false;        // strings become lower case
  std::optional<Value> otherwise;  // in place of an undefined part

 private:
  std::vector<Value> parts_;
};

}  // namespace pronk::jinja
