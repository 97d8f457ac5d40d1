// How far a download, a load or a long prompt is: a bar on a terminal, one line every 10 seconds
// elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "cli/console.h"

namespace pronk::cli {

std::string format_bytes(std::int64_t bytes);  // "93.8 MB": powers of 1000, three digits
std::string format_duration(double seconds);   // "42s", "3m 20s", "2h 05m", "4d 03h": two units

enum class ProgressUnit { kBytes, kTokens };

struct ProgressState {
  std::string what;  // "pull model.gguf"
  ProgressUnit unit = ProgressUnit::kBytes;
  std::int64_t done = 0, total = -1;  // -1: not known
  double rate = 0;                    // per second; 0: not known yet
};

// "pull model.gguf  45% ▕█████     ▏ 42.1 MB/93.8 MB  12.0 MB/s  4s", cut to `width` columns: the
// bar goes first, then what does not fit. In ASCII without `unicode`.
std::string format_bar(const ProgressState& state, int width, bool unicode);
// "pull model.gguf: 45%, 42.1 MB of 93.8 MB, 12.0 MB/s, 4s left"
std::string format_progress_line(const ProgressState& state);

// Units per second over the last ten samples.
class RateMeter {
 public:
  void add(double now_s, std::int64_t done);  // samples closer than half a second are passed over
  double per_second() const;                  // 0 before the second sample

 private:
  std::deque<std::pair<double, std::int64_t>> samples_;
};

// One thing under way. update() from any thread. Draws nothing with --quiet, or when all is over
// within a quarter of a second.
class Progress {
 public:
  enum class AtEnd { kErase, kKeep };
  Progress(Console& console, std::string what, ProgressUnit unit, AtEnd at_end = AtEnd::kErase);
  ~Progress();
  void update(std::int64_t done, std::int64_t total);
  void finish();

 private:
  void draw();

  Console& console_;
  const AtEnd at_end_;
  const bool bar_;  // on a terminal
  const std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;
  ProgressState state_;
  RateMeter meter_;
  double next_draw_s_;
  bool drawn_ = false, finished_ = false;
};

}  // namespace pronk::cli
