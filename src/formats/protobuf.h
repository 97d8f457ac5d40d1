// Protocol Buffers' wire format, read field by field within the bytes at hand.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

#include "pronk/result.h"

namespace pronk {

// One field: a varint, a fixed value, or bytes (a string or a nested message).
struct ProtoField {
  std::uint32_t number = 0;
  enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } wire{};
  std::uint64_t value = 0;  // of a varint or fixed field
  std::string_view bytes;   // of a kBytes field: a view into the message

  bool is(std::uint32_t n, Wire w) const { return number == n && wire == w; }
  float as_float() const {  // of a kFixed32 field
    const auto bits = static_cast<std::uint32_t>(value);
    float f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
  }
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message), size_(message.size()) {}
  bool at_end() const { return rest_.empty(); }
  // kCorruptData on a truncated field, a length beyond the message, or a group (wire types 3, 4).
  Result<ProtoField> next();

 private:
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(std::size_t size);
  std::size_t offset() const { return size_ - rest_.size(); }

  std::string_view rest_;
  std::size_t size_;
};

}  // namespace pronk
