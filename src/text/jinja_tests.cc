// The tests of "value is name".
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja_filters.h"
#include "text/jinja_loop.h"
#include "text/jinja_operators.h"
#include "text/jinja_strings.h"

namespace pronk::jinja {
namespace {

// Tests that only look at the value.
struct PlainTest {
  std::string_view name;
  bool (*passes)(const Value&);
};

bool is_callable(const Value& v) {
  return v.is_undefined() || v.is<Builtin>() || v.object<const MacroState>() ||
         v.object<const Method>() || v.object<Joiner>() || v.object<LoopState>();
}

bool is_integer(const Value& v) { return v.is<Int>(); }

bool is_bool(const Value& v, bool wanted) {
  const bool* b = v.get_if<bool>();
  return b && *b == wanted;
}

constexpr PlainTest kPlainTests[] = {
    {"boolean", [](const Value& v) { return v.is<bool>(); }},
    {"callable", is_callable},
    {"defined", [](const Value& v) { return !v.is_undefined(); }},
    {"escaped", [](const Value&) { return false; }},
    {"false", [](const Value& v) { return is_bool(v, false); }},
    {"float", [](const Value& v) { return v.is<double>(); }},
    {"integer", is_integer},
    {"iterable", [](const Value& v) { return is_iterable(v); }},
    {"mapping", [](const Value& v) { return v.as_dict() != nullptr; }},
    {"none", [](const Value& v) { return v.is_none(); }},
    {"number", [](const Value& v) { return v.as_number().has_value(); }},
    {"sequence",
     [](const Value& v) {
       return v.is_undefined() || v.as_text() || v.as_list() || v.as_dict() || v.is<Range>();
     }},
    {"string", [](const Value& v) { return v.as_text() != nullptr; }},
    {"true", [](const Value& v) { return is_bool(v, true); }},
    {"undefined", [](const Value& v) { return v.is_undefined(); }},
};

// Tests that compare the value with one argument.
struct ComparisonTest {
  std::string_view name;
  Comparison op;
};
constexpr ComparisonTest kComparisonTests[] = {
    {"!=", Comparison::kNotEqual},     {"<", Comparison::kLess},
    {"<=", Comparison::kLessEqual},    {"==", Comparison::kEqual},
    {">", Comparison::kGreater},       {">=", Comparison::kGreaterEqual},
    {"eq", Comparison::kEqual},        {"equalto", Comparison::kEqual},
    {"ge", Comparison::kGreaterEqual}, {"greaterthan", Comparison::kGreater},
    {"gt", Comparison::kGreater},      {"in", Comparison::kIn},
    {"le", Comparison::kLessEqual},    {"lessthan", Comparison::kLess},
    {"lt", Comparison::kLess},         {"ne", Comparison::kNotEqual},
};

constexpr std::string_view kOtherTests[] = {"divisibleby", "even",   "filter", "lower",
                                            "odd",         "sameas", "test",   "upper"};

template <class Table>
const auto* find_by_name(const Table& table, std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const auto& entry) { return entry.name == name; });
  return found == std::end(table) ? nullptr : found;
}

Result<bool> has_remainder(Runtime& run, const Value& value, const Value& divisor, Int wanted) {
  const Value remainder = PRONK_TRY(arithmetic(run, Arithmetic::kModulo, value, divisor));
  return equal(run, remainder, Value::integer(wanted));
}

// Python's `is`: one object. Equal numbers and texts count as one.
Result<bool> is_same(Runtime& run, const Value& a, const Value& b) {
  if (a.held().index() != b.held().index()) return false;
  const List* list = a.as_list();
  if (list) return list == b.as_list();
  if (a.as_dict()) return a.as_dict() == b.as_dict();
  return equal(run, a, b);
}

Result<bool> other_test(Runtime& run, std::string_view name, const Value& value,
                        const Arguments& arguments) {
  if (name == "divisibleby") {
    const Parameters p = PRONK_TRY(Parameters::bind(run, name, arguments, {"num"}, 1));
    return has_remainder(run, value, *p[0], 0);
  }
  if (name == "sameas") {
    const Parameters p = PRONK_TRY(Parameters::bind(run, name, arguments, {"other"}, 1));
    return is_same(run, value, *p[0]);
  }
  PRONK_TRY(Parameters::bind(run, name, arguments, {}));
  if (name == "even" || name == "odd")
    return has_remainder(run, value, Value::integer(2), name == "odd" ? 1 : 0);
  if (name == "lower" || name == "upper") {
    const Text text = PRONK_TRY(to_text(run, value));
    return name == "lower" ? has_only_case(text.view(), kLower, kUpper)
                           : has_only_case(text.view(), kUpper, kLower);
  }
  PRONK_TRY(hash_key(run, value));  // an unhashable value cannot be a name
  const Text* asked = value.as_text();
  return asked && (name == "filter" ? has_filter(asked->view()) : has_test(asked->view()));
}

}  // namespace

bool has_test(std::string_view name) {
  return find_by_name(kPlainTests, name) || find_by_name(kComparisonTests, name) ||
         std::find(std::begin(kOtherTests), std::end(kOtherTests), name) != std::end(kOtherTests);
}

Result<bool> apply_test(Runtime& run, std::string_view name, const Value& value,
                        const Arguments& arguments) {
  PRONK_TRY(run.spend());
  if (const PlainTest* test = find_by_name(kPlainTests, name)) {
    PRONK_TRY(Parameters::bind(run, name, arguments, {}));
    return test->passes(value);
  }
  if (const ComparisonTest* test = find_by_name(kComparisonTests, name)) {
    const Parameters p = PRONK_TRY(Parameters::bind(run, name, arguments, {"other"}, 1));
    return compare(run, test->op, value, *p[0]);
  }
  if (!has_test(name)) return run.fail(fmt::format("no test named '{}'", name));
  return other_test(run, name, value, arguments);
}

}  // namespace pronk::jinja
