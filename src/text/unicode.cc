#include "text/unicode.h"

#include <algorithm>
#include <cstddef>

namespace pronk {

namespace {

constexpr std::size_t kNumCodePoints = 0x110000;

// First code point of a run << 8 | its classes; a run ends where the next begins.
constexpr std::uint32_t kRuns[] = {
#include "text/unicode_ranges.inc"
};

}  // namespace

UnicodeClasses::UnicodeClasses() : classes_(kNumCodePoints) {
  for (std::size_t i = 0; i < std::size(kRuns); ++i) {
    const std::size_t begin = kRuns[i] >> 8;
    const std::size_t end = i + 1 < std::size(kRuns) ? kRuns[i + 1] >> 8 : kNumCodePoints;
    std::fill(classes_.begin() + static_cast<std::ptrdiff_t>(begin),
              classes_.begin() + static_cast<std::ptrdiff_t>(end),
              static_cast<std::uint8_t>(kRuns[i] & 0xFF));
  }
}

const UnicodeClasses& UnicodeClasses::get() {
  static const UnicodeClasses classes;
  return classes;
}

}  // namespace pronk
