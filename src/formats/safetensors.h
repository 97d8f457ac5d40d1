// The safetensors container: named arrays in one file.
//
//   offset  size  meaning
//   0       8     length N of the header u64
//   8       N     JSON: {"NAME": {"dtype": "BF16", "shape": [4, 2], "data_offsets": [0, 16]}, ...,
//                 "__metadata__": {"format": "pt"}}; may end in spaces
//   8+N           the data; offsets count from here, without gaps or overlaps
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pronk/result.h"
#include "tensor/dtype.h"

namespace pronk {

struct SafetensorsEntry {
  std::string type;  // as written: "BF16", "F8_E4M3", "I64", ...
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;  // as long as type and shape say
  std::int64_t num_values() const;
};

struct SafetensorsFile {
  std::map<std::string, SafetensorsEntry, std::less<>> entries;
};

// The entries point into `bytes`.
Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes);

std::optional<DType> dtype_from_safetensors(std::string_view type);
std::string_view safetensors_type(DType type);  // F32, F16, BF16 and F8E4M3 only

}  // namespace pronk
