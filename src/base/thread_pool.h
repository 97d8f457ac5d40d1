// A fixed team of threads that takes a loop's iterations from one counter.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pronk {

// Owned by whoever computes (a Runner, a loader). run() is called by one thread at a time, which
// works along.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);  // at least 1; the caller is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(item, thread) once for every item in [0, num_items), each on some thread in [0,
  // num_threads); returns when all are done. Which thread takes which item is left to chance:
  // results must not depend on it.
  void run(int num_items, const std::function<void(int item, int thread)>& body);

 private:
  void work(int thread);
  void take_items(int thread);

  std::vector<std::thread> workers_;
  const std::function<void(int, int)>* body_ = nullptr;
  int num_items_ = 0;
  std::atomic<int> next_item_{0};
  std::atomic<int> num_working_{0};
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace pronk
