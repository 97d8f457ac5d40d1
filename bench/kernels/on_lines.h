// Memory of benchmarks as arenas give it: on cache lines, and large pieces in huge pages.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace pronk {

template <class T>
struct OnLines {
  using value_type = T;
  static constexpr std::size_t kLine = 64, kHugePage = std::size_t{1} << 21;
  T* allocate(std::size_t n) {
    const std::size_t size = n * sizeof(T);
    void* p = ::operator new(size, alignment(size));
    if (size >= kHugePage) madvise(p, size, MADV_HUGEPAGE);
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t n) { ::operator delete(p, alignment(n * sizeof(T))); }
  static std::align_val_t alignment(std::size_t size) {
    return std::align_val_t{size >= kHugePage ? kHugePage : kLine};
  }
  bool operator==(const OnLines&) const = default;
};
template <class T>
using Values = std::vector<T, OnLines<T>>;

}  // namespace pronk
