#include "base/thread_pool.h"

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

// Whether it became true before the time to spin was over.
template <class Done>
bool spin_until(Done done) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::microseconds(ThreadPool::kSpinMicroseconds);
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

}  // namespace

// Sequentially consistent on both sides: either the sleeper is counted before the look here, or it
// sees the new value before it sleeps.
void ThreadPool::Signal::add(std::uint32_t n) {
  value_.fetch_add(n, std::memory_order_seq_cst);
  if (num_sleeping_.load(std::memory_order_seq_cst) > 0) value_.notify_all();
}

void ThreadPool::Signal::wait_while(std::uint32_t old) {
  if (spin_until([&] { return value() != old; })) return;
  num_sleeping_.fetch_add(1, std::memory_order_seq_cst);
  value_.wait(old, std::memory_order_seq_cst);
  num_sleeping_.fetch_sub(1, std::memory_order_relaxed);
}

ThreadPool::ThreadPool(int num_threads) {
  for (int i = 1; i < num_threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  epoch_.add(1);
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
  num_done_.reset();
  const std::uint64_t epoch = epoch_.value() + std::uint64_t{1};
  left_.store(epoch << 32 | static_cast<std::uint32_t>(num_items), std::memory_order_release);
  epoch_.add(1);
  take_items(0);
  const auto all = static_cast<std::uint32_t>(num_items);
  for (std::uint32_t done; (done = num_done_.value()) != all;) num_done_.wait_while(done);
}

void ThreadPool::take_items(int thread) {
  std::uint32_t num_taken = 0;
  std::uint64_t left = left_.load(std::memory_order_acquire);
  while (const auto num_left = static_cast<std::uint32_t>(left)) {
    if (!left_.compare_exchange_weak(left, left - 1, std::memory_order_acquire)) continue;
    (*body_)(num_items_ - static_cast<int>(num_left), thread);
    ++num_taken;
    left = left_.load(std::memory_order_acquire);
  }
  if (num_taken > 0) num_done_.add(num_taken);
}

void ThreadPool::work(int thread) {
  for (std::uint32_t seen = 0;;) {
    epoch_.wait_while(seen);
    seen = epoch_.value();
    if (stop_.load(std::memory_order_relaxed)) return;
    take_items(thread);
  }
}

}  // namespace pronk
