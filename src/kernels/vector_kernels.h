// Float loops of the forward pass and of sampling, on raw pointers: norms, rotation,
// softmax. C headers only (see kernel_table.h).
//
// They are written once over 16 lanes (vector.inc.h); an instruction set only says what a lane is.
// Every operation on a lane rounds once, in the same order everywhere, so that all tables give the
// same bits. No function keeps a pointer.
#pragma once
#include <stdint.h>

namespace pronk::kernels {

// exp() over the vocabulary is summed up in stretches of this many values.
inline constexpr int kExpStretch = 1024;

struct VectorKernels {
  // out = x / sqrt(mean(x²) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, int n, float eps, float* out);
  // Turns each head's pairs (i, i + K/2) by angle i, in place; cosines and sines: [head_dim / 2].
  void (*rope)(float* x, const float* cosines, const float* sines, int num_heads, int head_dim);
  // out = silu(gate) * up; out may be gate.
  void (*swiglu)(const float* gate, const float* up, int64_t n, float* out);
  void (*add)(const float* x, const float* y, int64_t n, float* out);
  void (*scale)(const float* x, float factor, int64_t n, float* out);
  // Rounds to nearest, ties to even; NaN stays NaN.
  void (*f32_to_bf16)(const float* x, int64_t n, uint16_t* out);
  void (*bf16_to_f32)(const uint16_t* x, int64_t n, float* out);

  // out = exp(x), at most 2 ulp off; below -87.33 it is 0, above 88.72 infinity.
  void (*exp)(const float* x, int64_t n, float* out);
  // The largest value; NaN if any is NaN. n >= 1.
  float (*largest)(const float* x, int64_t n);
  // The first index of the largest value; -1 if a value is NaN. n >= 1.
  int64_t (*argmax)(const float* x, int64_t n);
  // Writes the indices of the values >= bar, ascending, and returns how many there are; `out` has
  // room for n.
  int64_t (*at_least)(const float* x, int64_t n, float bar, int32_t* out);
  // sum exp(x - top), top the largest value; and where `sums` is given, the sum of each stretch of
  // kExpStretch values.
  double (*sum_of_exp)(const float* x, int64_t n, float top, double* sums);
  // log(sum exp(x)); NaN if a value is NaN. n >= 1.
  double (*logsumexp)(const float* x, int64_t n);
  // x = exp(x - max x) / sum, in place. n >= 1.
  void (*softmax)(float* x, int64_t n);
  bool (*all_finite)(const float* x, int64_t n);
};

}  // namespace pronk::kernels
