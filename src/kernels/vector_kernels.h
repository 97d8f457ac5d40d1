// Float loops of the forward pass and of sampling, on raw pointers: norms, rotation, attention,
// softmax. C headers only (see kernel_table.h).
//
// They are written once over 16 lanes (vector.inc.h); an instruction set only says what a lane is.
// Every operation on a lane rounds once, in the same order everywhere, so that all tables give the
// same bits. No function keeps a pointer.
#pragma once
#include <stdint.h>

namespace pronk::kernels {

// Keys are attended to in splits of this many, at absolute positions: the partial results of splits
// are folded in order, so that neither threads, nor chunking, nor neighbours can change a bit. A
// multiple of kPageKeys.
inline constexpr int kSplitKeys = 512;
inline constexpr int kPageKeys = 32;

// Rows of q whose scores a kernel holds at once, at most.
inline constexpr int kMaxQueryRows = 8;

// exp() over the vocabulary is summed up in stretches of this many values.
inline constexpr int kExpStretch = 1024;

// Columns of a value row in a page: head_dim, rounded up to whole lanes; the rest is zero.
constexpr int padded_head_dim(int head_dim) { return (head_dim + 15) / 16 * 16; }

// One split of one kv head for some query rows. A page is keys [head_dim][32], then values
// [32][padded_head_dim], in float or bfloat16.
struct AttendSplit {
  const float* q;            // [num_rows][head_dim], already divided by sqrt(head_dim)
  const int* num_visible;    // [num_rows] how many of the split's keys each row sees
  const void* const* pages;  // of the split, as many as the largest num_visible needs
  float* scores;             // scratch [kMaxQueryRows][kSplitKeys]
  int num_rows;
  int head_dim;
};

// Softmax so far of some query rows: value = sum exp(score - max) v, to be divided by sum at the
// end. A row that saw no key has sum 0.
struct AttendState {
  float* value;  // [num_rows][padded_head_dim]
  float* max;    // [num_rows]
  float* sum;    // [num_rows]
};

struct VectorKernels {
  // out = x / sqrt(mean(x²) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, int n, float eps, float* out);
  // Turns each head's pairs (i, i + K/2) by angle i, in place; cosines and sines: [head_dim / 2].
  void (*rope)(float* x, const float* cosines, const float* sines, int num_heads, int head_dim);
  // gate = silu(gate) * up.
  void (*swiglu)(float* gate, const float* up, int64_t n);
  void (*add)(const float* x, const float* y, int64_t n, float* out);
  void (*scale)(const float* x, float factor, int64_t n, float* out);
  // Rounds to nearest, ties to even; NaN stays NaN.
  void (*f32_to_bf16)(const float* x, int64_t n, uint16_t* out);
  void (*bf16_to_f32)(const uint16_t* x, int64_t n, float* out);

  void (*attend_f32)(const AttendSplit& split, const AttendState& out);
  void (*attend_bf16)(const AttendSplit& split, const AttendState& out);
  // state = state and then part, of the split that follows; rows whose part saw no key stay.
  void (*attend_fold)(const AttendState& state, const AttendState& part, int num_rows,
                      int head_dim);

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
