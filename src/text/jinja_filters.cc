// The table of filters, and those that work on single values.
#include "text/jinja_filters.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja_numbers.h"
#include "text/jinja_operators.h"
#include "text/jinja_strings.h"

namespace pronk::jinja {
namespace {

const Filter* find_filter(std::string_view name) {
  for (const auto filters : {scalar_filters(), text_filters(), sequence_filters(), lazy_filters()})
    for (const Filter& filter : filters)
      if (filter.name == name) return &filter;
  return nullptr;
}

Result<Value> filter_abs(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "abs", arguments, {}));
  if (const auto integer = value.as_integer())
    return *integer < 0 ? negated(run, value) : Result<Value>(Value::integer(*integer));
  if (const double* number = value.get_if<double>()) return Value(std::abs(*number));
  return plus(run, value);
}

Result<Value> filter_attr(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "attr", arguments, {"name"}, 1));
  const Text name = PRONK_TRY(p.text_or(run, 0, ""));
  if (auto found = PRONK_TRY(get_own_attribute(run, value, name.view()))) return *std::move(found);
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", type_name(value), name.view()));
}

Result<Value> filter_default(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "default", arguments, {"default_value", "boolean"}));
  const bool absent = value.is_undefined() || (p.truth_or(1, false) && !truth(value));
  return absent ? p[0].value_or(Value(Text())) : value;
}

Result<Value> filter_float(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "float", arguments, {"default"}));
  if (const Undefined* undefined = value.get_if<Undefined>()) return run.undefined(*undefined);
  std::optional<double> number = value.as_number();
  if (const Text* text = value.as_text()) number = parse_float(text->view());
  return number ? Value(*number) : p[0].value_or(Value(0.0));
}

Result<Value> filter_int(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "int", arguments, {"default", "base"}));
  if (const Undefined* undefined = value.get_if<Undefined>()) return run.undefined(*undefined);
  const Value otherwise = p[0].value_or(Value::integer(0));
  if (const auto integer = value.as_integer()) return Value::integer(*integer);
  std::optional<double> number = value.as_number();
  if (number && std::isinf(*number)) return run.fail("cannot convert float infinity to integer");
  if (const Text* text = value.as_text()) {
    const auto base = static_cast<int>(PRONK_TRY(p.integer_or(run, 1, 10)));
    if (const auto integer = parse_integer(text->view(), base)) return Value::integer(*integer);
    number = parse_float(text->view());
  }
  if (!number || !std::isfinite(*number)) return otherwise;
  if (std::abs(*number) >= 0x1p126) return run.fail("an integer beyond 128 bits");
  return Value::integer(static_cast<Int>(*number));
}

Result<Value> filter_round(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p =
      PRONK_TRY(Parameters::bind(run, "round", arguments, {"precision", "method"}));
  const std::int64_t precision = PRONK_TRY(p.integer_or(run, 0, 0));
  const Text method = PRONK_TRY(p.text_or(run, 1, "common"));
  const auto number = value.as_number();
  if (!number) return run.fail(fmt::format("round() needs a number, not {}", type_name(value)));
  if (precision < -300 || precision > 300) return run.fail("round(): the precision is too large");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method.view() == "common") {
    if (value.as_integer() && precision >= 0) return Value::integer(*value.as_integer());
    const double rounded = precision >= 0 ? round_decimal(*number, static_cast<int>(precision))
                                          : std::nearbyint(*number * scale) / scale;
    return value.as_integer() ? Value::integer(static_cast<Int>(rounded)) : Value(rounded);
  }
  if (method.view() != "ceil" && method.view() != "floor")
    return run.fail("round(): method must be common, ceil or floor");
  if (!std::isfinite(*number)) return run.fail("cannot round an infinite number");
  const double scaled = *number * scale;
  return Value((method.view() == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> filter_length(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "length", arguments, {}));
  if (const Text* text = value.as_text()) PRONK_TRY(run.spend_bytes(text->size()));
  const auto length = length_of(value);
  if (!length) return run.fail(fmt::format("'{}' object has no length", type_name(value)));
  return Value::integer(*length);
}

Result<Value> filter_string(Runtime& run, const Value& value, const Arguments& arguments) {
  PRONK_TRY(Parameters::bind(run, "string", arguments, {}));
  return Value(PRONK_TRY(to_text(run, value)));
}

Result<Value> filter_filesizeformat(Runtime& run, const Value& value, const Arguments& arguments) {
  const Parameters p = PRONK_TRY(Parameters::bind(run, "filesizeformat", arguments, {"binary"}));
  std::optional<double> bytes = value.as_number();
  if (const Text* text = value.as_text()) bytes = parse_float(text->view());
  if (!bytes) return run.fail("filesizeformat needs a number");
  const bool binary = p.truth_or(0, false);
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::text("1 Byte");
  if (*bytes < base) return Value::text(fmt::format("{} Bytes", static_cast<std::int64_t>(*bytes)));
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  double unit = base;
  std::size_t i = 0;
  for (; i + 1 < kPrefixes.size() && *bytes >= unit * base; ++i) unit *= base;
  const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
  return Value::text(fmt::format("{:.1f} {}{}", *bytes / unit, prefix, binary ? "iB" : "B"));
}

constexpr Filter kScalarFilters[] = {
    {"abs", filter_abs},         {"attr", filter_attr},
    {"count", filter_length},    {"d", filter_default},
    {"default", filter_default}, {"filesizeformat", filter_filesizeformat},
    {"float", filter_float},     {"int", filter_int},
    {"length", filter_length},   {"round", filter_round},
    {"safe", filter_string},     {"string", filter_string},
    {"tojson", filter_tojson},
};

}  // namespace

std::span<const Filter> scalar_filters() { return kScalarFilters; }

bool has_filter(std::string_view name) { return find_filter(name) != nullptr; }

Result<Value> apply_filter(Runtime& run, std::string_view name, const Value& value,
                           const Arguments& arguments) {
  PRONK_TRY(run.spend());
  const Filter* filter = find_filter(name);
  if (!filter) return run.fail(fmt::format("no filter named '{}'", name));
  return filter->apply(run, value, arguments);
}

}  // namespace pronk::jinja
