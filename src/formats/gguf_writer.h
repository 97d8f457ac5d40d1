// Builds the head of a GGUF v3 file: metadata and tensor list (byte table: gguf_file.h).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_file.h"
#include "tensor/dtype.h"

namespace pronk {

class GgufWriter {
 public:
  static constexpr std::uint64_t kAlignment = 32;  // GGUF's own

  explicit GgufWriter(std::uint64_t alignment = kAlignment);

  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, std::uint32_t value);
  void add(std::string_view key, std::int64_t value);
  void add(std::string_view key, float value);
  void add(std::string_view key, double value);
  void add_bool(std::string_view key, bool value);
  void add(std::string_view key, std::span<const std::string> values);
  void add(std::string_view key, std::span<const float> values);
  void add(std::string_view key, std::span<const std::int32_t> values);

  // In the order in which their data will follow. rows == 1 makes a vector.
  void add_tensor(std::string_view name, DType type, std::int64_t rows, std::int64_t columns) {
    add_tensor(name, type, rows, columns, rows * row_bytes(type, columns));
  }
  // The same for data that take more bytes than the rows alone.
  void add_tensor(std::string_view name, DType type, std::int64_t rows, std::int64_t columns,
                  std::int64_t size_bytes);

  // Everything before the data, padded to the alignment. Each tensor's data is then to be padded by
  // padding(its size).
  std::string head() const;
  std::uint64_t data_size() const { return data_size_; }  // of all tensors, padded
  static std::uint64_t padding(std::uint64_t size, std::uint64_t alignment = kAlignment) {
    return (alignment - size % alignment) % alignment;
  }

 private:
  void begin(std::string_view key, GgufType type);
  void begin_array(std::string_view key, GgufType element, std::size_t count);

  const std::uint64_t alignment_;
  std::uint64_t num_pairs_ = 0, num_tensors_ = 0, data_size_ = 0;
  std::string pairs_, tensors_;
};

}  // namespace pronk
