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
  return {memory_.data() + shape_.head_bytes() * shape_.num_kv_heads * num_pages_ * layer, shape_};
}

void KvCache::copy_page(int from, int to) {
  const auto bytes = static_cast<std::size_t>(shape_.head_bytes() * shape_.num_kv_heads);
  for (int layer = 0; layer < shape_.num_layers; ++layer)
    std::memcpy((*this)[layer].head(to, 0), (*this)[layer].head(from, 0), bytes);
}

}  // namespace pronk
