// The number formats that weights come in, with their block sizes. Byte layouts: docs/formats.md
// and tensor/blocks.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pronk {

enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kF8Scaled,  // F8_E4M3 with a scale for each 128 values: in packed panels, in no other file
};
inline constexpr int kNumDTypes = 18;

struct DTypeInfo {
  const char* name;  // as GGUF tools write it: "Q4_K"
  int block_size;    // values in a block; a row is a whole number of blocks
  int block_bytes;
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_from_name(std::string_view name);  // "q4_0", "Q4_0", "bf16", ...

// Bytes of a row of `columns` values; columns must be a multiple of the block size.
inline std::int64_t row_bytes(DType type, std::int64_t columns) {
  return columns / info(type).block_size * info(type).block_bytes;
}

}  // namespace pronk
