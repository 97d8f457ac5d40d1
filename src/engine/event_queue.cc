#include "engine/event_queue.h"

#include "engine/reply.h"

namespace pronk {

bool Inbox::put(std::vector<std::unique_ptr<ReplySequence>> replies) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return false;
    for (auto& reply : replies) arrived_.push_back(std::move(reply));
  }
  changed_.notify_one();
  return true;
}

void Inbox::nudge() {
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  changed_.notify_one();
}

void Inbox::stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
}

bool Inbox::take(std::vector<std::unique_ptr<ReplySequence>>& replies, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, [this] { return !arrived_.empty() || nudged_ || stopped_; });
  nudged_ = false;
  for (auto& reply : arrived_) replies.push_back(std::move(reply));
  arrived_.clear();
  return !stopped_;
}

void EventQueue::push(Event event) {
  {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  changed_.notify_one();
}

std::optional<Event> EventQueue::next() {
  std::unique_lock lock(mutex_);
  if (ended_) return std::nullopt;
  changed_.wait(lock, [this] { return !events_.empty(); });
  Event event = std::move(events_.front());
  events_.pop_front();
  ended_ = event.finish.has_value();
  return event;
}

void EventQueue::cancel() {
  if (!cancelled_.exchange(true, std::memory_order_acq_rel)) inbox_->nudge();
}

Stream::Stream(std::shared_ptr<EventQueue> events) : events_(std::move(events)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&& other) noexcept {
  if (events_ && events_ != other.events_) events_->cancel();
  events_ = std::move(other.events_);
  return *this;
}
Stream::~Stream() {
  if (events_) events_->cancel();
}
std::optional<Event> Stream::next() { return events_->next(); }
void Stream::cancel() { events_->cancel(); }

}  // namespace pronk
