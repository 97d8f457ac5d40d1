// Filters (value | name) and tests (value is name).
#pragma once
#include <span>
#include <string_view>

#include "text/jinja_runtime.h"
#include "text/jinja_value.h"

namespace pronk::jinja {

bool has_filter(std::string_view name);
Result<Value> apply_filter(Runtime& run, std::string_view name, const Value& value,
                           const Arguments& arguments);

bool has_test(std::string_view name);
Result<bool> apply_test(Runtime& run, std::string_view name, const Value& value,
                        const Arguments& arguments);

using FilterFunction = Result<Value> (*)(Runtime&, const Value&, const Arguments&);
struct Filter {
  std::string_view name;
  FilterFunction apply;
};
// The filters of each file.
std::span<const Filter> scalar_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> lazy_filters();
std::span<const Filter> text_filters();

// Hugging Face's tojson: Python's json.dumps.
Result<Value> filter_tojson(Runtime& run, const Value& value, const Arguments& arguments);

}  // namespace pronk::jinja
