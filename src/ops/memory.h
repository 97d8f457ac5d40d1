// Memory that is asked for once: zeroed blocks from the system, and the arena that a step takes its
// values from.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "ops/tensor.h"
#include "pronk/result.h"

namespace pronk {

// Zeroed pages of the system, given back on destruction. Pages that nobody touches cost nothing.
class Memory {
 public:
  static Result<Memory> zeroed(std::int64_t size_bytes);  // kResourceExhausted when refused
  Memory() = default;
  Memory(Memory&& other) noexcept { *this = std::move(other); }
  Memory& operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Memory();

  std::byte* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::int64_t size_ = 0;
};

// Takes from the front, gives back from the end. A counting arena has no memory and only finds out
// how much a step needs: because PlanOps and CpuOps take through the same code, that is exact. One
// thread.
class Arena {
 public:
  static Result<Arena> of_bytes(std::int64_t size_bytes);
  static Arena counting() { return Arena(); }

  // 64-byte aligned. Taking more than there is is a broken plan. When counting, addresses are made
  // up and distinct: to be compared, never to be followed.
  std::byte* take(std::int64_t size_bytes);
  template <class T>
  T* take_array(std::int64_t count) {
    return reinterpret_cast<T*>(take(count * static_cast<std::int64_t>(sizeof(T))));
  }
  Tensor take_tensor(int rows, int columns) {
    Tensor t{nullptr, rows, columns};
    t.data = take_array<float>(t.size());
    return t;
  }

  std::int64_t used() const { return used_; }
  std::int64_t most_used() const { return most_used_; }
  std::int64_t size() const { return memory_.size(); }
  void give_back_to(std::int64_t used) { used_ = used; }

 private:
  Memory memory_;
  std::int64_t used_ = 0, most_used_ = 0;
};

// Gives back at the end of a scope what was taken in it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), used_(arena.used()) {}
  ~ArenaScope() { arena_.give_back_to(used_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  std::int64_t used_;
};

}  // namespace pronk
