// Memory of benchmarks on cache lines, as arenas give it.
#pragma once
#include <cstddef>
#include <new>
#include <vector>

namespace pronk {

template <class T>
struct OnLines {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
  bool operator==(const OnLines&) const = default;
};
template <class T>
using Values = std::vector<T, OnLines<T>>;

}  // namespace pronk
