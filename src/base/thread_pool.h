// A fixed team of threads that takes a loop's iterations from one counter.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace pronk {

// Owned by whoever computes (a Runner, a loader). run() is called by one thread at a time, which
// works along.
//
// run() waits for items, never for threads: a worker that the system keeps from running takes no
// item and holds up nobody. Threads without work spin for kSpinMicroseconds, then sleep.
class ThreadPool {
 public:
  static constexpr int kSpinMicroseconds = 50;  // the gap between two operations of a step

  explicit ThreadPool(int num_threads);  // at least 1; the caller is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(item, thread) once for every item in [0, num_items), each on some thread in [0,
  // num_threads), begun in rising order; returns when all are done. Which thread takes which item
  // is left to chance: results must not depend on it.
  void run(int num_items, const std::function<void(int item, int thread)>& body);

 private:
  // A number that others wait for. Whoever changes it wakes them, which costs a system call only
  // where one sleeps.
  class Signal {
   public:
    std::uint32_t value() const { return value_.load(std::memory_order_acquire); }
    void add(std::uint32_t n);
    void reset() { value_.store(0, std::memory_order_relaxed); }
    void wait_while(std::uint32_t old);  // returns once value() != old

   private:
    std::atomic<std::uint32_t> value_{0};
    std::atomic<int> num_sleeping_{0};
  };

  void work(int thread);
  void take_items(int thread);

  // The items not yet taken, below the number of the operation that they belong to: so that a
  // worker which comes late never takes an item for that of another operation.
  alignas(64) std::atomic<std::uint64_t> left_{0};
  // Of the operation; read only by who has taken one of its items, before it says so by num_done_.
  const std::function<void(int, int)>* body_ = nullptr;
  int num_items_ = 0;
  alignas(64) Signal num_done_;  // items
  alignas(64) Signal epoch_;     // of the operation; one more at the end
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace pronk
