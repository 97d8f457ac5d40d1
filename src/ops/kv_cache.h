// The paged key/value cache: pages of kKvPageTokens tokens, in the order that the attention kernels
// read them.
//
// A page is its layers, each of num_kv_heads parts laid out as kernels/attend_kernels.h has it; the
// cache is all pages. So a short text touches few of the system's pages, which are cleared when
// they are first touched: whole layers one after the other would have it touch 2 MiB in each.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/attend_kernels.h"
#include "ops/batch.h"
#include "ops/memory.h"
#include "pronk/result.h"

namespace pronk {

struct KvShape {
  int num_layers = 0, num_kv_heads = 0, head_dim = 0;
  kernels::KvType type = kernels::KvType::kBF16;

  std::int64_t head_bytes() const { return kernels::kv_head_bytes(type, head_dim); }
  std::int64_t page_bytes() const { return head_bytes() * num_kv_heads * num_layers; }
};

// One layer of all pages; a view.
struct KvLayer {
  std::byte* data = nullptr;  // null when only shapes are counted
  KvShape shape;

  std::byte* head(int page, int kv_head) const {
    return data + page * shape.page_bytes() + kv_head * shape.head_bytes();
  }
};

// Owned by a Runner. Who holds which page is the engine's business.
class KvCache {
 public:
  static Result<KvCache> create(const KvShape& shape, int num_pages);
  static KvCache counting(const KvShape& shape) { return KvCache(shape, 0); }

  KvLayer operator[](int layer) const;
  void copy_page(int from, int to);
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
