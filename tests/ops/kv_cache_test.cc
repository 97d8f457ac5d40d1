// Where keys and values lie in the cache's memory.
#include "ops/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace pronk {
namespace {

constexpr KvShape kShape{2, 3, 128, kernels::KvType::kInt8};

std::byte* keys_of(const kernels::KvPage& page) { return static_cast<std::byte*>(page.keys); }
std::byte* values_of(const kernels::KvPage& page) { return static_cast<std::byte*>(page.values); }

TEST(KvCache, EveryByteIsOneHeadsOfOnePage) {
  for (const int num_pages : {1, 15, 16, 17, 40}) {
    const KvCache cache = *KvCache::create(kShape, num_pages);
    std::vector<int> times_used(static_cast<std::size_t>(cache.size_bytes()));
    const auto use = [&](const std::byte* begin, std::int64_t size) {
      for (std::int64_t i = 0; i < size; ++i)
        ++times_used.at(static_cast<std::size_t>(begin + i - cache[0].data));
    };
    for (int layer = 0; layer < kShape.num_layers; ++layer)
      for (int page = 0; page < num_pages; ++page)
        for (int head = 0; head < kShape.num_kv_heads; ++head) {
          const kernels::KvPage place = cache[layer].head(page, head);
          use(keys_of(place), kShape.keys_bytes());
          use(values_of(place), kShape.values_bytes());
        }
    EXPECT_TRUE(std::ranges::all_of(times_used, [](int n) { return n == 1; })) << num_pages;
  }
}

TEST(KvCache, PagesOfAStripFollowEachOther) {
  EXPECT_EQ(kShape.pages_per_strip(), 8) << "32 KiB of a head's keys";
  EXPECT_EQ((KvShape{1, 1, 8, kernels::KvType::kInt8}.pages_per_strip()), 16) << "a split at most";
  EXPECT_EQ((KvShape{1, 1, 2048, kernels::KvType::kF32}.pages_per_strip()), 1);
  const KvCache cache = *KvCache::create(kShape, 16);
  for (int page = 8; page < 15; ++page) {
    const auto place = cache[1].head(page, 2), next = cache[1].head(page + 1, 2);
    EXPECT_EQ(keys_of(next) - keys_of(place), kShape.keys_bytes());
    EXPECT_EQ(values_of(next) - values_of(place), kShape.values_bytes());
  }
  EXPECT_EQ(values_of(cache[1].head(8, 2)) - keys_of(cache[1].head(15, 2)), kShape.keys_bytes())
      << "values follow the last keys";
}

TEST(KvCache, CopiesAPageOfAllLayersAndNoOther) {
  KvCache cache = *KvCache::create(kShape, 20);
  std::byte* memory = cache[0].data;
  for (std::int64_t i = 0; i < cache.size_bytes(); ++i)
    memory[i] = static_cast<std::byte>(i * 2654435761 >> 8);
  const std::vector<std::byte> before(memory, memory + cache.size_bytes());
  const auto before_at = [&](const std::byte* p) { return before.data() + (p - memory); };
  cache.copy_page(3, 18);
  for (int layer = 0; layer < kShape.num_layers; ++layer)
    for (int page = 0; page < 20; ++page)
      for (int head = 0; head < kShape.num_kv_heads; ++head) {
        const auto place = cache[layer].head(page, head);
        const auto was = cache[layer].head(page == 18 ? 3 : page, head);
        EXPECT_TRUE(std::equal(keys_of(place), keys_of(place) + kShape.keys_bytes(),
                               before_at(keys_of(was))));
        EXPECT_TRUE(std::equal(values_of(place), values_of(place) + kShape.values_bytes(),
                               before_at(values_of(was))));
      }
}

}  // namespace
}  // namespace pronk
