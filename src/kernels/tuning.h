// What this CPU likes best: how memory is asked for ahead of the products, and which of two ways to
// multiply. What is computed is the same. C headers only (see kernel_table.h).
#pragma once
#include <stdint.h>

namespace pronk::kernels {

// How far ahead a panel is asked for, in bytes.
struct PanelPrefetch {
  int64_t into_l1;  // (AVX2: into L2) 0: as it is needed; the CPU's own fetching does the rest
  int64_t into_l2;  // as well; 0, and for one or two tokens: not
};

struct Tuning {
  PanelPrefetch one_token, two_tokens, four_tokens, more;  // at most; by tables with AVX-512
  int64_t attention_bytes;  // of keys or values, ahead of what attention reads
  bool attention_into_l2;   // otherwise into L1, past L2
  int pairs_from;           // tokens, from which on types that have pairs are multiplied so
  int64_t stream_bytes;     // ahead, in each of the streams by which memory's speed is measured
};
extern const Tuning kTuning;

}  // namespace pronk::kernels
