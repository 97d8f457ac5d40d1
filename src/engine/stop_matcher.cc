#include "engine/stop_matcher.h"

#include <algorithm>

namespace pronk {
namespace {

struct Match {
  std::size_t begin, end;
};

// The stop that ends first, the longest of them; begin == npos: none.
Match first_match(const std::string& text, const std::vector<std::string>& stops) {
  Match best{std::string::npos, std::string::npos};
  for (const std::string& stop : stops) {
    const std::size_t begin = text.find(stop);
    if (begin == std::string::npos) continue;
    const std::size_t end = begin + stop.size();
    if (end < best.end || (end == best.end && begin < best.begin)) best = {begin, end};
  }
  return best;
}

// How many of the text's last bytes begin a stop: the most that do.
std::size_t length_of_beginning(const std::string& text, const std::vector<std::string>& stops) {
  std::size_t longest = 0;
  for (const std::string& stop : stops)
    for (std::size_t n = std::min(stop.size() - 1, text.size()); n > longest; --n)
      if (text.compare(text.size() - n, n, stop, 0, n) == 0) longest = n;
  return longest;
}

}  // namespace

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  if (const Match match = first_match(held_, stops_); match.begin != std::string::npos) {
    stopped_ = true;
    std::string before = held_.substr(0, match.begin);
    held_.clear();
    return before;
  }
  const std::size_t keep = length_of_beginning(held_, stops_);
  std::string certain = held_.substr(0, held_.size() - keep);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopMatcher::finish() { return std::move(held_); }

}  // namespace pronk
