#include "cli/progress.h"

#include <fmt/format.h>
#include <langinfo.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace pronk::cli {
namespace {

constexpr double kFirstBar = 0.25, kBarEvery = 0.1, kLineEvery = 10, kSampleEvery = 0.5;  // seconds
constexpr std::size_t kNumSamples = 10;
constexpr int kLongestBar = 40, kShortestBar = 8;

std::string format_amount(ProgressUnit unit, std::int64_t n) {
  return unit == ProgressUnit::kBytes ? format_bytes(n) : fmt::format("{}", n);
}

std::string format_rate(const ProgressState& s) {
  if (s.unit == ProgressUnit::kBytes) return format_bytes(static_cast<std::int64_t>(s.rate)) + "/s";
  return fmt::format("{:.{}f} tokens/s", s.rate, s.rate < 100 ? 1 : 0);
}

std::string format_remaining(const ProgressState& s) {
  return format_duration(static_cast<double>(s.total - s.done) / s.rate);
}

double fraction(const ProgressState& s) {
  if (s.total <= 0) return 0;
  return std::clamp(static_cast<double>(s.done) / static_cast<double>(s.total), 0.0, 1.0);
}

// The longest beginning of `text` of at most `width` columns.
std::string cut_to_width(const std::string& text, int width) {
  if (display_width(text) <= width) return text;
  std::size_t end = text.size();
  while (end > 0 && (display_width(text.substr(0, end)) > width || (text[end] & 0xC0) == 0x80))
    --end;
  return text.substr(0, end);
}

std::string draw_bar(double done, int columns, bool unicode) {
  const int full = static_cast<int>(std::floor(done * columns));
  std::string bar = unicode ? "▕" : "[";
  for (int i = 0; i < columns; ++i) bar += i >= full ? " " : unicode ? "█" : "#";
  return bar + (unicode ? "▏" : "]");
}

bool terminal_is_unicode() { return std::string_view(::nl_langinfo(CODESET)) == "UTF-8"; }

bool wants_no_bars() {
  const char* value = std::getenv("HF_HUB_DISABLE_PROGRESS_BARS");
  return value && *value && std::string_view(value) != "0";
}

}  // namespace

std::string format_bytes(std::int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"kB", "MB", "GB", "TB", "PB"}) {
    value /= 1000;
    unit = next;
    if (value < 999.5) break;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, unit);
}

std::string format_duration(double seconds) {
  if (!(seconds < 1e9)) return "forever";
  const auto s = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h {:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d {:02}h", s / 86400, s / 3600 % 24);
}

std::string format_bar(const ProgressState& s, int width, bool unicode) {
  const int room = std::max(1, width - 1);  // the last column would wrap on some terminals
  std::string head = s.what, tail = fmt::format("  {}", format_amount(s.unit, s.done));
  if (s.total > 0) {
    head += fmt::format(" {:3}%", static_cast<int>(fraction(s) * 100));
    tail += fmt::format("/{}", format_amount(s.unit, s.total));
  }
  if (s.rate > 0) {
    tail += fmt::format("  {}", format_rate(s));
    if (s.total > 0) tail += fmt::format("  {}", format_remaining(s));
  }
  const int columns = std::min(kLongestBar, room - display_width(head) - display_width(tail) - 3);
  if (s.total > 0 && columns >= kShortestBar)
    head += fmt::format(" {}", draw_bar(fraction(s), columns, unicode));
  return cut_to_width(head + tail, room);
}

std::string format_progress_line(const ProgressState& s) {
  std::string line = s.what + ": ";
  if (s.total > 0)
    line += fmt::format("{}%, {} of {}", static_cast<int>(fraction(s) * 100),
                        format_amount(s.unit, s.done), format_amount(s.unit, s.total));
  else
    line += format_amount(s.unit, s.done);
  if (s.unit == ProgressUnit::kTokens) line += " tokens";
  if (s.rate > 0) {
    line += ", " + format_rate(s);
    if (s.total > 0) line += ", " + format_remaining(s) + " left";
  }
  return line;
}

void RateMeter::add(double now_s, std::int64_t done) {
  if (!samples_.empty() && now_s - samples_.back().first < kSampleEvery) return;
  samples_.emplace_back(now_s, done);
  if (samples_.size() > kNumSamples) samples_.pop_front();
}

double RateMeter::per_second() const {
  if (samples_.size() < 2) return 0;
  const auto& [first_s, first] = samples_.front();
  const auto& [last_s, last] = samples_.back();
  return std::max(0.0, static_cast<double>(last - first) / (last_s - first_s));
}

Progress::Progress(Console& console, std::string what, ProgressUnit unit, AtEnd at_end)
    : console_(console),
      at_end_(at_end),
      bar_(console.stderr_is_tty() && !console.plain_terminal()),
      start_(std::chrono::steady_clock::now()),
      next_draw_s_(bar_ ? kFirstBar : kLineEvery) {
  state_.what = std::move(what);
  state_.unit = unit;
  finished_ = console.quiet() || wants_no_bars();
}

Progress::~Progress() { finish(); }

void Progress::update(std::int64_t done, std::int64_t total) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  const double now_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  state_.done = done;
  state_.total = total;
  meter_.add(now_s, done);
  state_.rate = meter_.per_second();
  if (now_s < next_draw_s_) return;
  next_draw_s_ = now_s + (bar_ ? kBarEvery : kLineEvery);
  draw();
}

void Progress::draw() {
  drawn_ = true;
  if (bar_)
    console_.raw_note("\r\x1b[K" + format_bar(state_, console_.width(), terminal_is_unicode()));
  else
    console_.note(format_progress_line(state_));
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  if (!bar_ || !drawn_) return;
  if (at_end_ == AtEnd::kKeep) draw();
  console_.raw_note(at_end_ == AtEnd::kKeep ? "\n" : "\r\x1b[K");
}

}  // namespace pronk::cli
