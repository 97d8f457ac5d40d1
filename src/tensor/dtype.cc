#include "tensor/dtype.h"

#include <strings.h>

#include <array>
#include <string>

#include "tensor/blocks.h"

namespace pronk {
namespace {

// In the order of DType.
constexpr std::array<DTypeInfo, kNumDTypes> kInfos{{
    {"F32", 1, 4},
    {"F16", 1, 2},
    {"BF16", 1, 2},
    {"F8_E4M3", 1, 1},
    {"Q4_0", 32, sizeof(blocks::Q4_0)},
    {"Q4_1", 32, sizeof(blocks::Q4_1)},
    {"Q5_0", 32, sizeof(blocks::Q5_0)},
    {"Q5_1", 32, sizeof(blocks::Q5_1)},
    {"Q8_0", 32, sizeof(blocks::Q8_0)},
    {"Q2_K", 256, sizeof(blocks::Q2_K)},
    {"Q3_K", 256, sizeof(blocks::Q3_K)},
    {"Q4_K", 256, sizeof(blocks::Q4_K)},
    {"Q5_K", 256, sizeof(blocks::Q5_K)},
    {"Q6_K", 256, sizeof(blocks::Q6_K)},
    {"IQ4_NL", 32, sizeof(blocks::IQ4_NL)},
    {"IQ4_XS", 256, sizeof(blocks::IQ4_XS)},
    {"MXFP4", 32, sizeof(blocks::MXFP4)},
    {"F8_SCALED", 128, sizeof(blocks::F8Scaled)},
}};

}  // namespace

const DTypeInfo& info(DType type) { return kInfos[static_cast<std::size_t>(type)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  const std::string wanted(name);
  for (std::size_t i = 0; i < kInfos.size(); ++i)
    if (strcasecmp(wanted.c_str(), kInfos[i].name) == 0) return static_cast<DType>(i);
  if (strcasecmp(wanted.c_str(), "F8E4M3") == 0) return DType::kF8E4M3;
  return std::nullopt;
}

}  // namespace pronk
