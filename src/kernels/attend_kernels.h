// Attention over a paged cache of keys and values, on raw pointers. C headers only (see
// kernel_table.h).
//
// A cache type says how keys and values stand in a page, ready for a dot product: numbers that one
// product takes together (1 float, 2 bfloat16) lie together, keys or value columns fill a register.
//   keys    [head_dim / together][32 keys][together]
//   values  [32 keys / together][padded_head_dim][together]    the columns that are added are zero
// Rows of queries that share a kv head go through the same page together. How many do changes the
// speed and no bit: every score is one chain over the head's dimensions, every value one over the
// keys of its split. No function keeps a pointer.
#pragma once
#include <stdint.h>

namespace pronk::kernels {

enum class KvType : uint8_t { kF32, kBF16 };
inline constexpr int kNumKvTypes = 2;

// Keys are attended to in splits of this many, at absolute positions: the partial results of splits
// are folded in order, so that neither threads, nor chunking, nor neighbours can change a bit. A
// multiple of kPageKeys.
inline constexpr int kSplitKeys = 512;
inline constexpr int kPageKeys = 32;

// Rows of q whose scores a kernel holds at once, at most.
inline constexpr int kMaxQueryRows = 16;

// Columns of a value row in a page: head_dim, rounded up to whole lanes.
constexpr int padded_head_dim(int head_dim) { return (head_dim + 15) / 16 * 16; }

constexpr int kv_number_bytes(KvType type) { return type == KvType::kF32 ? 4 : 2; }

// One kv head's part of a page. head_dim is even.
constexpr int64_t kv_head_bytes(KvType type, int head_dim) {
  return (int64_t)kPageKeys * (head_dim + padded_head_dim(head_dim)) * kv_number_bytes(type);
}

// One query row as take_query leaves it.
constexpr int64_t kv_query_bytes(KvType type, int head_dim) {
  return (int64_t)head_dim * kv_number_bytes(type);
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
  const void* const* pages;  // of the split, as many as the largest num_visible needs
  float* scores;             // scratch [kMaxQueryRows][kSplitKeys]
  void* weights;             // scratch [kMaxQueryRows][kSplitKeys] of the cache's numbers
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
  void (*store)(const NewTokens& tokens, void* page);
  void (*attend)(const AttendSplit& split, const AttendState& out);
};

struct AttendKernels {
  CacheKernels cache[kNumKvTypes];
  // state = state and then part, of the split that follows; rows whose part saw no key stay.
  void (*fold)(const AttendState& state, const AttendState& part, int num_rows, int head_dim);
};

}  // namespace pronk::kernels
