// The paged key/value cache: pages of kKvPageTokens tokens, in the order that the attention kernels
// read them.
//
// One kv head's part of a page, in float or bfloat16:
//   keys    [head_dim][32 tokens]             a key is a column: 16 keys fill a register
//   values  [32 tokens][padded head_dim]      rounded up to 16 columns; the rest is zero
// A page of a layer is its num_kv_heads parts; a layer is all its pages; the cache is all layers.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops/batch.h"
#include "ops/memory.h"
#include "pronk/result.h"

namespace pronk {

struct KvShape {
  int num_layers = 0, num_kv_heads = 0, head_dim = 0;
  bool bf16 = true;

  int value_bytes() const { return bf16 ? 2 : 4; }
  std::int64_t head_bytes() const;  // of a page, one layer
  std::int64_t page_bytes() const;  // of a page, all layers
};

// One layer's pages; a view.
struct KvLayer {
  std::byte* data = nullptr;  // null when only shapes are counted
  KvShape shape;

  std::byte* head(int page, int kv_head) const {
    return data +
           (static_cast<std::int64_t>(page) * shape.num_kv_heads + kv_head) * shape.head_bytes();
  }
};

// Owned by a Runner. Who holds which page is the engine's business.
class KvCache {
 public:
  static Result<KvCache> create(const KvShape& shape, int num_pages);
  static KvCache counting(const KvShape& shape) { return KvCache(shape, 0); }

  KvLayer operator[](int layer) const;
  const KvShape& shape() const { return shape_; }
  int num_pages() const { return num_pages_; }
  std::int64_t size_bytes() const { return memory_.size(); }

 private:
  KvCache(const KvShape& shape, int num_pages) : shape_(shape), num_pages_(num_pages) {}
  KvShape shape_;
  int num_pages_;
  Memory memory_;
};

}  // namespace pronk
