#include "base/thread_pool.h"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pronk {
namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// Spins for about 50 us, the gap between two operations of a step, before it gives the core back.
template <class Done>
bool spin_until(Done done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    ++epoch_;
  }
  wake_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::run(int num_items, const std::function<void(int, int)>& body) {
  if (num_items <= 0) return;
  if (workers_.empty() || num_items == 1) {
    for (int i = 0; i < num_items; ++i) body(i, 0);
    return;
  }
  body_ = &body;
  num_items_ = num_items;
  next_item_.store(0, std::memory_order_relaxed);
  num_working_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  {
    std::lock_guard lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  take_items(0);
  while (!spin_until([this] { return num_working_.load(std::memory_order_acquire) == 0; }))
    std::this_thread::yield();
}

void ThreadPool::take_items(int thread) {
  for (int i; (i = next_item_.fetch_add(1, std::memory_order_relaxed)) < num_items_;)
    (*body_)(i, thread);
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, changed);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_) return;
    take_items(thread);
    num_working_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace pronk
