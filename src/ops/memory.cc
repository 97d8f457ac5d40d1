#include "ops/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

namespace pronk {

Result<Memory> Memory::zeroed(std::int64_t size_bytes) {
  Memory memory;
  if (size_bytes <= 0) return memory;
  void* data = mmap(nullptr, static_cast<std::size_t>(size_bytes), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return error(Code::kResourceExhausted,
                 fmt::format("memory: the system refused {:.1f} MiB; close other programs or ask "
                             "for a shorter context",
                             static_cast<double>(size_bytes) / (1 << 20)));
#ifdef MADV_HUGEPAGE
  // Weights are streamed whole for every token: with pages of 2 MiB the same loads read 10 % faster
  // (docs/kernels.md). A system without them answers with an error that changes nothing.
  madvise(data, static_cast<std::size_t>(size_bytes), MADV_HUGEPAGE);
#endif
  memory.data_ = static_cast<std::byte*>(data);
  memory.size_ = size_bytes;
  return memory;
}

Memory::~Memory() {
  if (data_) munmap(data_, static_cast<std::size_t>(size_));
}

Result<Arena> Arena::of_bytes(std::int64_t size_bytes) {
  Arena arena;
  arena.memory_ = PRONK_TRY(Memory::zeroed(size_bytes));
  return arena;
}

std::byte* Arena::take(std::int64_t size_bytes) {
  const std::int64_t begin = used_;
  used_ += (size_bytes + 63) / 64 * 64;
  most_used_ = std::max(most_used_, used_);
  // Counting: nobody reads what is there, but two places are two addresses.
  if (!memory_.data()) return reinterpret_cast<std::byte*>(64 + begin);
  PRONK_CHECK(used_ <= memory_.size(), "a step takes no more than was planned");
  return memory_.data() + begin;
}

}  // namespace pronk
