// The GGUF container, versions 2 and 3, little endian: typed metadata, tensor names and where their
// bytes lie. What the keys mean is gguf_reader's business.
//
//   offset  size  meaning
//   0       4     "GGUF"
//   4       4     version u32: 2 or 3
//   8       8     number of tensors u64
//   16      8     number of metadata pairs u64
//   24      ...   pairs: key (length u64, bytes), type u32, value
//           ...   tensors: name, number of dimensions u32, dimensions u64 each (columns first),
//                 type u32, offset u64 from the start of the data
//           ...   padding to general.alignment (32), then the data, each tensor aligned likewise
//
// An array is: element type u32, count u64, elements. A string is: length u64, bytes.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "tensor/dtype.h"

namespace pronk {

enum class GgufType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

// A value as it lies in the file, already checked to be whole.
struct GgufValue {
  GgufType type = GgufType::kU8;
  GgufType element = GgufType::kU8;       // of an array
  std::uint64_t count = 0;                // of an array
  std::span<const std::byte> bytes = {};  // a string without its length; an array's elements
};

struct GgufTensor {
  std::string name;
  std::uint32_t type = 0;  // ggml's number
  std::int64_t rows = 1, columns = 0;
  int num_dimensions = 0;
  std::uint64_t offset = 0;  // from the start of the file
};

// ggml's numbers of tensor types, and one of pronk's own for F8_SCALED, which packed files alone
// have.
std::optional<DType> dtype_from_ggml(std::uint32_t type);
std::uint32_t ggml_from_dtype(DType type);  // not for F8E4M3
inline bool is_in_gguf(DType type) { return type != DType::kF8E4M3 && type != DType::kF8Scaled; }
std::string ggml_type_name(std::uint32_t type);

// A view: the bytes must outlive it.
class GgufFile {
 public:
  // Errors: kCorruptData; kUnsupported (version 1 or above 3, big endian).
  static Result<GgufFile> parse(std::span<const std::byte> bytes);

  std::uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  // Empty when the key is absent; kCorruptData when its value is of another type.
  Result<std::optional<std::int64_t>> integer(std::string_view key) const;
  Result<std::optional<double>> real(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::optional<std::string>> string(std::string_view key) const;
  Result<std::vector<std::string>> strings(std::string_view key) const;
  Result<std::vector<float>> floats(std::string_view key) const;
  Result<std::vector<std::int32_t>> integers(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  std::span<const std::byte> bytes_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace pronk
