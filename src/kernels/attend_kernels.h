// Attention over a paged cache of keys and values, on raw pointers. C headers only (see
// kernel_table.h).
//
// A cache type says how keys and values stand in a page, ready for a dot product: numbers that one
// product takes together (1 float, 2 bfloat16) lie together, keys or value columns fill a register.
//   keys    [head_dim / together][32 keys][together]
//   scales  [32 keys], [32 values]                             int8 alone, behind the keys
//   values  [32 keys / together][padded_head_dim][together]    the columns that are added are zero
// An int8 cache keeps each head's key and value rotated (attend_rotate.inc.h) and divided by a
// scale of its own: its products are sums of whole numbers, the same bits on every CPU.
//
// Rows of queries that share a kv head go through the same page together. How many do changes the
// speed and no bit: every score is one chain over the head's dimensions, every value one over the
// keys of its split. No function keeps a pointer.
#pragma once
#include <stdint.h>

#include "kernels/tuning.h"

namespace pronk::kernels {

enum class KvType : uint8_t {
  kF32,
  kBF16,
  kBF16Wide,  // bfloat16 in memory; queries and weights stay float32
  kInt8,
};
inline constexpr int kNumKvTypes = 4;

// The longest head that an int8 cache takes.
inline constexpr int kMaxInt8HeadDim = 512;

// Keys are attended to in splits of this many, at absolute positions: the partial results of splits
// are folded in order, so that neither threads, nor chunking, nor neighbours can change a bit. A
// multiple of kPageKeys.
inline constexpr int kSplitKeys = 512;
inline constexpr int kPageKeys = 32;

// Rows of q whose scores a kernel holds at once, at most.
inline constexpr int kMaxQueryRows = 16;

// Columns of a value row in a page: head_dim, rounded up to whole lanes.
constexpr int padded_head_dim(int head_dim) { return (head_dim + 15) / 16 * 16; }

constexpr int kv_number_bytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kInt8 ? 1 : 2;
}
constexpr int kv_together(KvType type) { return 4 / kv_number_bytes(type); }

// Dimensions of a key in a page: head_dim, rounded up to what a product takes together. The added
// ones are zero.
constexpr int padded_key_dim(KvType type, int head_dim) {
  return (head_dim + kv_together(type) - 1) / kv_together(type) * kv_together(type);
}

// One kv head's part of a page: keys and scales, and the values. head_dim is even.
constexpr int64_t kv_keys_bytes(KvType type, int head_dim) {
  const int scales = type == KvType::kInt8 ? 2 * (int)sizeof(float) : 0;
  return (int64_t)kPageKeys * (padded_key_dim(type, head_dim) * kv_number_bytes(type) + scales);
}
constexpr int64_t kv_values_bytes(KvType type, int head_dim) {
  return (int64_t)kPageKeys * padded_head_dim(head_dim) * kv_number_bytes(type);
}
constexpr int64_t kv_head_bytes(KvType type, int head_dim) {
  return kv_keys_bytes(type, head_dim) + kv_values_bytes(type, head_dim);
}

// Where they stand.
struct KvPage {
  void* keys;
  void* values;
};

// A query row of an int8 cache is this and then two planes of int8: q = scale (128 high + low).
// Keys are stored with 128 added, so sums start at what that adds too much.
struct Int8Query {
  float scale;
  int32_t start_high, start_low;
};

// One query row as take_query leaves it.
constexpr int64_t kv_query_bytes(KvType type, int head_dim) {
  const int dims = padded_key_dim(type, head_dim);
  return type == KvType::kInt8   ? (int64_t)sizeof(Int8Query) + 2 * dims
         : type == KvType::kBF16 ? (int64_t)dims * 2
                                 : (int64_t)dims * 4;
}

// Tokens that follow each other in one page, of one kv head. Row t of keys and values begins at
// t · stride.
struct NewTokens {
  const float* keys;
  const float* values;
  int64_t stride;
  int first_slot;  // the tokens' places in the page: [first_slot, first_slot + num_tokens)
  int num_tokens;
  int head_dim;
};

// One split of one kv head for some query rows.
struct AttendSplit {
  const void* q;             // [num_rows], each as take_query left it
  const int* num_visible;    // [num_rows] how many of the split's keys each row sees
  const KvPage* pages;       // of the split, as many as the largest num_visible needs
  const KvPage* next_pages;  // as many, to be fetched: of the split that follows, or these
  float* scores;             // scratch [kMaxQueryRows][kSplitKeys]
  void* weights;             // scratch [kMaxQueryRows][kSplitKeys] of 4 bytes
  void* values;              // scratch [kSplitKeys][padded_head_dim] of bytes
  int num_rows;
  int head_dim;
};

// Softmax so far of some query rows: value = Σ 2^(score - max) v, to be divided by
// sum = Σ 2^(score - max) at the end. A row that saw no key has sum 0.
struct AttendState {
  float* value;  // [num_rows][padded_head_dim]
  float* max;    // [num_rows]
  float* sum;    // [num_rows]
};

// What there is for each cache type.
struct CacheKernels {
  // factor · q[head_dim] in the cache's numbers. Scores are exponents of two, so the factor is
  // log2(e) / √head_dim.
  void (*take_query)(const float* q, float factor, int head_dim, void* out);
  // Whatever stands in later slots never matters to what sees only the tokens stored so far.
  void (*store)(const NewTokens& tokens, KvPage page);
  void (*attend)(const AttendSplit& split, const AttendState& out);
  // y[head_dim] = factor · a row of AttendState::value, which it may change.
  void (*give_value)(float* value, float factor, int head_dim, float* y);
};

struct AttendKernels {
  CacheKernels cache[kNumKvTypes];
  // state = state and then part, of the split that follows; rows whose part saw no key stay.
  void (*fold)(const AttendState& state, const AttendState& part, int num_rows, int head_dim);
};

}  // namespace pronk::kernels
