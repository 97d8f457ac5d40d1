#include "text/jinja_operators.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

constexpr std::string_view kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};

Error unsupported_operands(Runtime& run, Arithmetic op, const Value& a, const Value& b) {
  return run.fail(fmt::format("unsupported operand types for {}: '{}' and '{}'",
                              kSigns[static_cast<int>(op)], type_name(a), type_name(b)));
}

// Python's // and %: the quotient goes down, the remainder has the divisor's sign.
Int floor_divide(Int a, Int b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }
Int floor_modulo(Int a, Int b) {
  const Int remainder = a % b;
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double float_modulo(double a, double b) {
  double remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(0.0, b);
  if ((remainder < 0) != (b < 0)) remainder += b;
  return remainder;
}

double float_floor_divide(double a, double b) {
  const double remainder = float_modulo(a, b);
  const double quotient = (a - remainder) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

bool integer_power(Int base, Int exponent, Int* result) {
  *result = 1;
  if (base == 1 || base == 0 || base == -1) {
    *result = exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base;
    return true;
  }
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(*result, base, result)) return false;
  return true;
}

Result<Value> float_arithmetic(Runtime& run, Arithmetic op, double a, double b) {
  switch (op) {
    case Arithmetic::kAdd:
      return Value(a + b);
    case Arithmetic::kSubtract:
      return Value(a - b);
    case Arithmetic::kMultiply:
      return Value(a * b);
    case Arithmetic::kPower: {
      if (a == 0 && b < 0) return run.fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b))
        return run.fail("complex numbers are not supported");
      const double power = std::pow(a, b);
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b))
        return run.fail("the result of ** is too large");
      return Value(power);
    }
    default:
      break;
  }
  if (b == 0) return run.fail("division by zero");
  if (op == Arithmetic::kDivide) return Value(a / b);
  return Value(op == Arithmetic::kModulo ? float_modulo(a, b) : float_floor_divide(a, b));
}

Result<Value> integer_arithmetic(Runtime& run, Arithmetic op, Int a, Int b) {
  Int result = 0;
  bool overflow = false;
  switch (op) {
    case Arithmetic::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Arithmetic::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Arithmetic::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Arithmetic::kPower:
      if (b < 0) return float_arithmetic(run, op, static_cast<double>(a), static_cast<double>(b));
      overflow = !integer_power(a, b, &result);
      break;
    case Arithmetic::kDivide:
      return float_arithmetic(run, op, static_cast<double>(a), static_cast<double>(b));
    default:
      if (b == 0) return run.fail("integer division or modulo by zero");
      if (b == -1) {  // the one quotient that could leave the range
        if (op == Arithmetic::kModulo) return Value::integer(0);
        overflow = __builtin_sub_overflow(Int{0}, a, &result);
      } else {
        result = op == Arithmetic::kModulo ? floor_modulo(a, b) : floor_divide(a, b);
      }
  }
  if (overflow) return run.fail("an integer beyond 128 bits");
  return Value::integer(result);
}

Result<Value> repeated(Runtime& run, const Value& sequence, Int times) {
  const auto count = static_cast<std::size_t>(times < 0 ? 0 : times > (1 << 30) ? 1 << 30 : times);
  if (const Text* text = sequence.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size() * count));
    PRONK_TRY(run.spend(text->empty() ? 0 : static_cast<std::int64_t>(count)));
    Text out;
    for (std::size_t i = 0; i < count && !text->empty(); ++i) out.append(*text);
    return Value(std::move(out));
  }
  const List& list = *sequence.as_list();
  PRONK_TRY(run.spend(static_cast<std::int64_t>(list.items.size() * count)));
  std::vector<Value> items;
  for (std::size_t i = 0; i < count && !list.items.empty(); ++i)
    items.insert(items.end(), list.items.begin(), list.items.end());
  return Value::list(std::move(items), list.tuple);
}

Result<Value> concatenated(Runtime& run, const Value& a, const Value& b) {
  if (const Text* text = a.as_text(); text && b.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size() + b.as_text()->size()));
    Text out = *text;
    out.append(*b.as_text());
    return Value(std::move(out));
  }
  const List *left = a.as_list(), *right = b.as_list();
  if (!left || !right || left->tuple != right->tuple)
    return unsupported_operands(run, Arithmetic::kAdd, a, b);
  PRONK_TRY(run.spend(static_cast<std::int64_t>(left->items.size() + right->items.size())));
  std::vector<Value> items = left->items;
  items.insert(items.end(), right->items.begin(), right->items.end());
  return Value::list(std::move(items), left->tuple);
}

bool is_repeatable(const Value& value) { return value.as_text() || value.as_list(); }

}  // namespace

Result<Value> arithmetic(Runtime& run, Arithmetic op, const Value& a, const Value& b) {
  if (op == Arithmetic::kModulo && a.as_text()) return percent_format(run, *a.as_text(), b);
  for (const Value* operand : {&a, &b})
    if (const Undefined* undefined = operand->get_if<Undefined>()) return run.undefined(*undefined);
  const auto ia = a.as_integer(), ib = b.as_integer();
  if (ia && ib) return integer_arithmetic(run, op, *ia, *ib);
  const auto fa = a.as_number(), fb = b.as_number();
  if (fa && fb) return float_arithmetic(run, op, *fa, *fb);
  if (op == Arithmetic::kAdd) return concatenated(run, a, b);
  if (op == Arithmetic::kMultiply && is_repeatable(a) && ib) return repeated(run, a, *ib);
  if (op == Arithmetic::kMultiply && is_repeatable(b) && ia) return repeated(run, b, *ia);
  return unsupported_operands(run, op, a, b);
}

Result<Value> negated(Runtime& run, const Value& a) {
  if (const auto integer = a.as_integer())
    return integer_arithmetic(run, Arithmetic::kSubtract, 0, *integer);
  if (const double* number = a.get_if<double>()) return Value(-*number);
  return plus(run, a);
}

Result<Value> plus(Runtime& run, const Value& a) {
  if (const Undefined* undefined = a.get_if<Undefined>()) return run.undefined(*undefined);
  if (const auto integer = a.as_integer()) return Value::integer(*integer);
  if (a.is<double>()) return a;
  return run.fail(fmt::format("a sign before '{}'", type_name(a)));
}

namespace {

// Whether a < b (or a <= b): numbers, strings, lists, tuples.
Result<bool> ordered(Runtime& run, const Value& a, const Value& b, bool or_equal) {
  PRONK_TRY(run.spend());
  for (const Value* operand : {&a, &b})
    if (const Undefined* undefined = operand->get_if<Undefined>()) return run.undefined(*undefined);
  const auto ia = a.as_integer(), ib = b.as_integer();
  if (ia && ib) return or_equal ? *ia <= *ib : *ia < *ib;
  const auto fa = a.as_number(), fb = b.as_number();
  if (fa && fb) return or_equal ? *fa <= *fb : *fa < *fb;
  if (const Text* text = a.as_text(); text && b.as_text()) {
    PRONK_TRY(run.spend_bytes(text->size()));
    const int order = text->view().compare(b.as_text()->view());
    return or_equal ? order <= 0 : order < 0;
  }
  const List *left = a.as_list(), *right = b.as_list();
  if (!left || !right || left->tuple != right->tuple)
    return run.fail(fmt::format("'{}' and '{}' have no order", type_name(a), type_name(b)));
  for (std::size_t i = 0; i < left->items.size() && i < right->items.size(); ++i)
    if (!PRONK_TRY(equal(run, left->items[i], right->items[i])))
      return ordered(run, left->items[i], right->items[i], or_equal);
  return or_equal ? left->items.size() <= right->items.size()
                  : left->items.size() < right->items.size();
}

}  // namespace

Result<bool> compare(Runtime& run, Comparison op, const Value& a, const Value& b) {
  switch (op) {
    case Comparison::kEqual:
      return equal(run, a, b);
    case Comparison::kNotEqual:
      return !PRONK_TRY(equal(run, a, b));
    case Comparison::kLess:
      return ordered(run, a, b, false);
    case Comparison::kLessEqual:
      return ordered(run, a, b, true);
    case Comparison::kGreater:
      return ordered(run, b, a, false);
    case Comparison::kGreaterEqual:
      return ordered(run, b, a, true);
    case Comparison::kIn:
      return contains(run, b, a);
    case Comparison::kNotIn:
      return !PRONK_TRY(contains(run, b, a));
  }
  return false;
}

Result<bool> contains(Runtime& run, const Value& container, const Value& item) {
  if (const Text* text = container.as_text()) {
    const Text* part = item.as_text();
    if (!part)
      return run.fail(
          fmt::format("'in <string>' needs a string on its left, not {}", type_name(item)));
    PRONK_TRY(run.spend_bytes(text->size()));
    return text->view().find(part->view()) != std::string_view::npos;
  }
  if (const Dict* dict = container.as_dict())
    return dict->find(PRONK_TRY(hash_key(run, item))) != nullptr;
  const DictView* view = container.get_if<DictView>();
  if (view && view->kind == DictView::Kind::kKeys)
    return view->dict->find(PRONK_TRY(hash_key(run, item))) != nullptr;
  const auto items = PRONK_TRY(iterate(run, container));
  while (true) {
    PRONK_TRY(run.spend());
    const std::optional<Value> one = PRONK_TRY(items->next());
    if (!one) return false;
    if (PRONK_TRY(equal(run, *one, item))) return true;
  }
}

}  // namespace pronk::jinja
