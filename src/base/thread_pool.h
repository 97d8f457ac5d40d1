// A fixed team of threads that share a loop's iterations: each has a range of its own, and who is
// done takes from the others' ends.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
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
  // num_threads); returns when all are done. A thread takes neighbours, in rising order, so that
  // what it reads is one stream. Which thread takes which item is left to chance: results must not
  // depend on it.
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

  // The items of one thread that nobody has taken yet. It takes the first, others take the last. A
  // value read long ago does no harm: it is only exchanged if those items are there now, and they
  // are then the present operation's.
  class alignas(64) Range {
   public:
    void set(std::uint32_t begin, std::uint32_t end) {
      items_.store(pack(begin, end), std::memory_order_release);
    }
    std::optional<int> take_first() { return take(true); }
    std::optional<int> take_last() { return take(false); }

   private:
    static std::uint64_t pack(std::uint32_t begin, std::uint32_t end) {
      return std::uint64_t{begin} << 32 | end;
    }
    std::optional<int> take(bool first);

    std::atomic<std::uint64_t> items_{0};  // begin and end, in halves
  };

  std::vector<Range> ranges_;  // by thread
  // Of the operation; read only by who has taken one of its items, before it says so by num_done_.
  const std::function<void(int, int)>* body_ = nullptr;
  alignas(64) Signal num_done_;  // items
  alignas(64) Signal epoch_;     // of the operation; one more at the end
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace pronk
