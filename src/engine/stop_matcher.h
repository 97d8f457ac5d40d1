// Finds stop strings in a text that comes in pieces, and holds back what may be a stop's beginning.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace pronk {

// The stop that is complete first ends the text; of those complete at the same byte, the longest.
// So the outcome does not depend on how the text is cut into pieces.
class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // What of the text so far is now certain not to belong to a stop. Empty from the stop on.
  std::string push(std::string_view text);
  // What is still held back at the end; empty after a stop.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // the longest end of the text that begins a stop
  bool stopped_ = false;
};

}  // namespace pronk
