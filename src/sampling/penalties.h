// Samplers that look back on the text so far and lower what would repeat it.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pronk/sampling.h"

namespace pronk {

// Repetition, frequency and presence penalties over the last `repeat_last_n` tokens:
//   x = x > 0 ? x / repeat : x * repeat;  x -= count * frequency + presence
class PenaltyWindow {
 public:
  explicit PenaltyWindow(const SamplingParams& params);
  bool on() const { return on_; }
  void accept(TokenId token);
  void apply(std::span<float> logits) const;

 private:
  bool on_;
  int window_;  // -1: without end
  float repeat_, frequency_, presence_;
  std::vector<TokenId> last_;  // a ring once the window is full
  std::size_t oldest_ = 0;
  std::unordered_map<TokenId, int> counts_;
};

// "Don't repeat yourself": a token that would continue a repetition of n tokens, n >= allowed
// length, loses multiplier * base^(n - allowed length). A repetition does not reach back over a
// sequence breaker.
class DryWindow {
 public:
  using Piece = std::function<std::string_view(TokenId)>;
  DryWindow(const SamplingParams& params, Piece piece);
  bool on() const { return on_; }
  void accept(TokenId token);
  void apply(std::span<float> logits);

 private:
  bool breaks(std::string_view text) const;
  void note_breaker(TokenId token);

  bool on_;
  double multiplier_, log_base_;
  int allowed_length_;
  int window_;  // -1: without end
  std::vector<std::string> breakers_;
  std::size_t longest_breaker_ = 0;
  Piece piece_;
  std::vector<TokenId> tokens_;
  std::size_t after_breaker_ = 0;  // index of the first token behind the last breaker
  std::string tail_;               // the text's last bytes, in which a breaker may have begun
  std::vector<int> common_;        // scratch
};

}  // namespace pronk
