#include "ops/kv_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pronk {

static_assert(kKvPageTokens == kernels::kPageKeys);

int KvShape::pages_per_strip() const {
  constexpr std::int64_t kKeysBytes = 32 << 10;  // of a head, about; and as many of values
  constexpr int kMost = kernels::kSplitKeys / kernels::kPageKeys;  // what attention reads together
  const std::int64_t fit = std::clamp<std::int64_t>(kKeysBytes / values_bytes(), 1, kMost);
  return static_cast<int>(std::bit_floor(static_cast<std::uint64_t>(fit)));
}

Result<KvCache> KvCache::create(const KvShape& shape, int num_pages) {
  KvCache cache(shape, num_pages);
  cache.memory_ = PRONK_TRY_IN("key/value cache", Memory::zeroed(shape.page_bytes() * num_pages));
  return cache;
}

KvLayer KvCache::operator[](int layer) const {
  if (!memory_.data()) return {nullptr, shape_};
  return {memory_.data(),
          shape_,
          layer * shape_.num_kv_heads,
          num_pages_,
          shape_.pages_per_strip(),
          shape_.keys_bytes(),
          shape_.values_bytes(),
          shape_.page_bytes()};
}

void KvCache::copy_page(int from, int to) {
  const auto keys_bytes = static_cast<std::size_t>(shape_.keys_bytes()),
             values_bytes = static_cast<std::size_t>(shape_.values_bytes());
  for (int layer = 0; layer < shape_.num_layers; ++layer)
    for (int head = 0; head < shape_.num_kv_heads; ++head) {
      const kernels::KvPage source = (*this)[layer].head(from, head),
                            copy = (*this)[layer].head(to, head);
      std::memcpy(copy.keys, source.keys, keys_bytes);
      std::memcpy(copy.values, source.values, values_bytes);
    }
}

}  // namespace pronk
