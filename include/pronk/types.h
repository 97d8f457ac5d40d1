// The few plain types that cross module borders.
#pragma once
#include <cstddef>
#include <cstdint>

namespace pronk {

using TokenId = std::int32_t;

// Tokens [begin, end) of a text.
struct TokenRange {
  int begin = 0;
  int end = 0;
  bool operator==(const TokenRange&) const = default;
};

// Bytes [begin, end) of a text.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

}  // namespace pronk
