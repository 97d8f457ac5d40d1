#include "text/jinja_numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string>

#include "text/jinja_unicode.h"

namespace pronk::jinja {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = skip_space(text, 0);
  return text.substr(begin, end_without_space(text, begin) - begin);
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Without underscores; empty if one stands anywhere but between two digits.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    if (i == 0 || i + 1 == text.size() || !is_alphanumeric(text[i - 1]) ||
        !is_alphanumeric(text[i + 1]))
      return std::nullopt;
  }
  return out;
}

}  // namespace

std::optional<double> parse_float(std::string_view text) {
  const std::optional<std::string> plain = without_underscores(trimmed(text));
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view digits = *plain;
  const bool negative = digits[0] == '-';
  if (digits[0] == '-' || digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  double number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (end != digits.data() + digits.size() || failure == std::errc::invalid_argument)
    return std::nullopt;
  if (digits.find('(') != std::string_view::npos) return std::nullopt;  // "nan(...)"
  if (failure == std::errc::result_out_of_range)
    number =
        digits.find("e-") != std::string_view::npos || digits.find("E-") != std::string_view::npos
            ? 0
            : HUGE_VAL;
  return negative ? -number : number;
}

std::optional<Int> parse_integer(std::string_view text, int base) {
  std::string_view digits = trimmed(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  bool prefixed = false;
  if (digits.size() > 1 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const int named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == 0 || base == named)) {
      base = named;
      prefixed = true;
      digits.remove_prefix(2);
      if (digits.starts_with('_')) digits.remove_prefix(1);
    }
  }
  const std::optional<std::string> plain = without_underscores(digits);
  if (!plain || plain->empty()) return std::nullopt;
  if (base == 0 && !prefixed && plain->size() > 1 && (*plain)[0] == '0' &&
      plain->find_first_not_of('0') != std::string::npos)
    return std::nullopt;  // "012" has no base of its own
  if (base == 0) base = 10;
  Int value = 0;
  for (const char c : *plain) {
    const int digit = c >= '0' && c <= '9' ? c - '0'
                      : is_alphanumeric(c) ? (c | 0x20) - 'a' + 10
                                           : 99;
    if (digit >= base || __builtin_mul_overflow(value, Int{base}, &value) ||
        __builtin_add_overflow(value, Int{digit}, &value))
      return std::nullopt;
  }
  return negative ? -value : value;
}

double round_decimal(double number, int digits) {
  if (!std::isfinite(number)) return number;
  const std::string text = fmt::format("{:.{}f}", number, digits);
  double rounded = number;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

}  // namespace pronk::jinja
