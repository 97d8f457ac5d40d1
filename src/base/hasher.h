// Checksums as they are computed, piece by piece.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace pronk {

class Hasher {
 public:
  enum class Kind { kSha1, kSha256 };
  explicit Hasher(Kind kind);
  ~Hasher();
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  // Once, at the end: 20 or 32 bytes, or the same in hexadecimal.
  std::string bytes();
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace pronk
