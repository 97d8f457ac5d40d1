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

std::optional<int> ThreadPool::Range::take(bool first) {
  std::uint64_t items = items_.load(std::memory_order_acquire);
  for (;;) {
    const auto begin = static_cast<std::uint32_t>(items >> 32),
               end = static_cast<std::uint32_t>(items);
    if (begin >= end) return std::nullopt;
    const std::uint64_t left = first ? pack(begin + 1, end) : pack(begin, end - 1);
    if (items_.compare_exchange_weak(items, left, std::memory_order_acquire))
      return static_cast<int>(first ? begin : end - 1);
  }
}

ThreadPool::ThreadPool(int num_threads)
    : ranges_(static_cast<std::size_t>(std::max(1, num_threads))) {
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
  num_done_.reset();
  const auto num_ranges = static_cast<std::int64_t>(ranges_.size());
  for (std::int64_t r = 0; r < num_ranges; ++r)
    ranges_[static_cast<std::size_t>(r)].set(
        static_cast<std::uint32_t>(num_items * r / num_ranges),
        static_cast<std::uint32_t>(num_items * (r + 1) / num_ranges));
  epoch_.add(1);
  take_items(0);
  const auto all = static_cast<std::uint32_t>(num_items);
  for (std::uint32_t done; (done = num_done_.value()) != all;) num_done_.wait_while(done);
}

void ThreadPool::take_items(int thread) {
  std::uint32_t num_taken = 0;
  const auto do_item = [&](int item) {
    (*body_)(item, thread);
    ++num_taken;
  };
  const auto own = static_cast<std::size_t>(thread);
  while (const auto item = ranges_[own].take_first()) do_item(*item);
  for (std::size_t i = 1; i < ranges_.size(); ++i)
    while (const auto item = ranges_[(own + i) % ranges_.size()].take_last()) do_item(*item);
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
