#include "ops/kv_cache.h"

#include "kernels/vector_kernels.h"

namespace pronk {

static_assert(kKvPageTokens == kernels::kPageKeys);

std::int64_t KvShape::head_bytes() const {
  return static_cast<std::int64_t>(kKvPageTokens) *
         (head_dim + kernels::padded_head_dim(head_dim)) * value_bytes();
}

std::int64_t KvShape::page_bytes() const { return head_bytes() * num_kv_heads * num_layers; }

Result<KvCache> KvCache::create(const KvShape& shape, int num_pages) {
  KvCache cache(shape, num_pages);
  cache.memory_ = PRONK_TRY_IN("key/value cache", Memory::zeroed(shape.page_bytes() * num_pages));
  return cache;
}

KvLayer KvCache::operator[](int layer) const {
  if (!memory_.data()) return {nullptr, shape_};
  return {memory_.data() + shape_.head_bytes() * shape_.num_kv_heads * num_pages_ * layer, shape_};
}

}  // namespace pronk
