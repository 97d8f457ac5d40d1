// Numbers as Python reads and rounds them.
#pragma once
#include <optional>
#include <string_view>

#include "text/jinja_value.h"

namespace pronk::jinja {

// float(text): white space around it, single underscores between digits, "inf", "nan".
std::optional<double> parse_float(std::string_view text);
// int(text, base): a sign, single underscores; a prefix such as 0x where it fits the base (0: the
// prefix decides). Empty also beyond 128 bits.
std::optional<Int> parse_integer(std::string_view text, int base);
// round(number, digits), digits >= 0: to the nearest, ties to even, of the number's exact value.
double round_decimal(double number, int digits);

}  // namespace pronk::jinja
