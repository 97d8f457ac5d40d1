// The two places where threads meet: requests come in by one inbox, events go out by one queue per
// stream. Nothing else of the engine is shared.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "pronk/engine.h"

namespace pronk {

class ReplySequence;

// Any thread puts, the engine's takes.
class Inbox {
 public:
  // False once the engine has stopped.
  bool put(std::vector<std::unique_ptr<ReplySequence>> replies);
  void nudge();  // something else changed: a stream was cancelled
  void stop();
  // What has come since the last call. With `wait`, sleeps until there is something or a nudge.
  // False once stopped.
  bool take(std::vector<std::unique_ptr<ReplySequence>>& replies, bool wait);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<ReplySequence>> arrived_;
  bool nudged_ = false;
  bool stopped_ = false;
};

// The engine pushes, one reader takes.
class EventQueue {
 public:
  explicit EventQueue(std::shared_ptr<Inbox> inbox) : inbox_(std::move(inbox)) {}

  void push(Event event);
  std::optional<Event> next();  // blocks; empty after the event that has `finish`
  void cancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

 private:
  std::shared_ptr<Inbox> inbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  bool ended_ = false;  // the last event was taken
  std::atomic<bool> cancelled_{false};
};

}  // namespace pronk
