// The exact values of stored weights, and storing values as weights: the plain twins of every
// packed kernel.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace pronk {

// Writes the `n` values of one row (n a multiple of the block size), each exactly what the PyPI
// package `gguf` gives, bit for bit (float32 arithmetic in its order). F8E4M3 is without its scale.
// Any thread.
void dequantize_row(DType type, const std::byte* row, std::int64_t n, float* out);

// The other way, rounding to nearest as ggml's reference quantizers do. F32, F16, BF16, F8E4M3,
// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 only.
bool can_quantize(DType type);
void quantize_row(DType type, const float* values, std::int64_t n, std::byte* out);

}  // namespace pronk
