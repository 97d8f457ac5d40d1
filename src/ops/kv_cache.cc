#include "ops/kv_cache.h"

namespace pronk {

static_assert(kKvPageTokens == kernels::kPageKeys);

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
