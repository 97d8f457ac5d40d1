// Reading numbers out of bytes that come from outside: every read is checked against what is left.
#pragma once
#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <type_traits>

#include "pronk/result.h"

namespace pronk {

static_assert(std::endian::native == std::endian::little, "file formats here are little endian");

// A number at any address, aligned or not.
template <class T>
T load_le(const void* p) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// a * b and a + b of sizes that a file claims; false when the result has no room.
inline bool checked_multiply(std::uint64_t a, std::uint64_t b, std::uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}
inline bool checked_add(std::uint64_t a, std::uint64_t b, std::uint64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

// Whether [offset, offset + size) lies within `available` bytes.
inline bool lies_within(std::uint64_t offset, std::uint64_t size, std::uint64_t available) {
  return offset <= available && size <= available - offset;
}

// A cursor over bytes that it does not own. Little endian.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes, std::size_t position = 0)
      : bytes_(bytes), position_(position < bytes.size() ? position : bytes.size()) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }

  Result<std::span<const std::byte>> take(std::uint64_t size) {
    if (size > left())
      return error(
          Code::kCorruptData,
          fmt::format("byte {}: {} bytes expected, {} left; the file is cut short or damaged",
                      position_, size, left()));
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(size));
    position_ += taken.size();
    return taken;
  }

  template <class T>
  Result<T> number() {
    const auto taken = PRONK_TRY(take(sizeof(T)));
    return load_le<T>(taken.data());
  }

  Result<std::string_view> text(std::uint64_t size) {
    const auto taken = PRONK_TRY(take(size));
    return std::string_view(reinterpret_cast<const char*>(taken.data()), taken.size());
  }

  // What has been read between two positions.
  std::string_view text_between(std::size_t begin, std::size_t end) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, end - begin};
  }

  // A length of 8 bytes, and that many bytes of text.
  Result<std::string_view> counted_text() {
    const auto size = PRONK_TRY(number<std::uint64_t>());
    return text(size);
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_;
};

}  // namespace pronk
