// The paged key/value cache: pages of kKvPageTokens tokens, in the order that the attention kernels
// read them.
//
// A kv head's keys and values of a page are laid out as kernels/attend_kernels.h has it. Pages that
// follow each other lie in strips: of a strip's first layer's first head the keys of all pages,
// then the values of all, then the next head, and so on. A long text's pages mostly do follow each
// other, so attention reads some ten KiB in a row, which is what memory gives fastest. No longer
// strips, since a short text touches all of its first one: the system clears 2 MiB wherever it is
// touched.
#pragma once
#include <algorithm>
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

  std::int64_t keys_bytes() const { return kernels::kv_keys_bytes(type, head_dim); }
  std::int64_t values_bytes() const { return kernels::kv_values_bytes(type, head_dim); }
  std::int64_t head_bytes() const { return kernels::kv_head_bytes(type, head_dim); }
  std::int64_t page_bytes() const { return head_bytes() * num_kv_heads * num_layers; }
  int pages_per_strip() const;  // a power of two
};

// One layer of all pages; a view.
struct KvLayer {
  std::byte* data = nullptr;  // of the cache; null when only shapes are counted
  KvShape shape;
  int first_head = 0;                                             // among those of all layers
  int num_pages = 0, pages_per_strip = 1;                         // the last strip may be shorter
  std::int64_t keys_bytes = 0, values_bytes = 0, page_bytes = 0;  // as the shape has them

  // Called for every page that attention reads.
  kernels::KvPage head(int page, int kv_head) const {
    const int place = page & (pages_per_strip - 1), first = page - place;
    const int strip = std::min(pages_per_strip, num_pages - first);
    std::byte* keys =
        data + first * page_bytes + (first_head + kv_head) * strip * (keys_bytes + values_bytes);
    std::byte* values = keys + strip * keys_bytes;
    return {keys + place * keys_bytes, values + place * values_bytes};
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
