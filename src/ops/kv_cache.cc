#include "ops/kv_cache.h"

#include <cstring>

namespace pronk {

static_assert(kKvPageTokens == kernels::kPageKeys);

Result<KvCache> KvCache::create(const KvShape& shape, int num_pages) {
  KvCache cache(shape, num_pages);
  cache.memory_ = PRONK_TRY_IN("key/value cache", Memory::zeroed(shape.page_bytes() * num_pages));
  return cache;
}

KvLayer KvCache::operator[](int layer) const {
  if (!memory_.data()) return {nullptr, shape_};
  return {memory_.data() + shape_.head_bytes() * shape_.num_kv_heads * layer, shape_};
}

void KvCache::copy_page(int from, int to) {
  std::memcpy((*this)[0].head(to, 0), (*this)[0].head(from, 0),
              static_cast<std::size_t>(shape_.page_bytes()));
}

}  // namespace pronk
