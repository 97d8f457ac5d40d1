#include "kernels/calibrate.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/isa.h"

namespace pronk::kernels {
namespace {

// A clock read in the wrong unit, or products that the compiler removed, are off by far more than
// these bounds.
TEST(Calibrate, PeaksAreThoseOfOneCore) {
  std::vector<std::byte> memory(64 << 20);
  const Peaks peaks = measure_peaks(
      table(), 1, [](const std::function<void(int)>& body) { body(0); }, memory);
  EXPECT_GT(peaks.f32_ops_per_s, 1e7);
  EXPECT_LT(peaks.f32_ops_per_s, 64 * 7e9);  // 2 x 512-bit FMA at 7 GHz
  EXPECT_GT(peaks.int8_ops_per_s, 1e7);
  EXPECT_LT(peaks.int8_ops_per_s, 4096 * 7e9);  // AMX: 16 x 16 x 64 products in 16 cycles
  EXPECT_LT(peaks.bf16_ops_per_s, 2048 * 7e9);
  EXPECT_GT(peaks.read_bytes_per_s, 1e8);
  EXPECT_LT(peaks.read_bytes_per_s, 5e11);
  EXPECT_EQ(peaks.ops_per_s(ActivationKind::kInt8), peaks.int8_ops_per_s);
}

}  // namespace
}  // namespace pronk::kernels
