// How a row of logits becomes a token: llama.cpp's samplers, names and order.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pronk/result.h"
#include "pronk/types.h"

namespace pronk {

// Applied in this order: logit bias; repetition, frequency and presence penalties; DRY; top-k;
// typical; top-p; min-p; XTC; temperature; then one draw. temperature <= 0 is greedy: the largest
// logit after bias and penalties, the lower id on a tie.
struct SamplingParams {
  double temperature = 1;
  int top_k = 0;              // 0: off
  double top_p = 1;           // 1: off
  double min_p = 0;           // 0: off
  double typical_p = 1;       // 1: off
  double repeat_penalty = 1;  // 1: off; over the last repeat_last_n tokens
  double presence_penalty = 0;
  double frequency_penalty = 0;
  int repeat_last_n = 64;     // -1: the whole context
  double dry_multiplier = 0;  // 0: off
  double dry_base = 1.75;
  int dry_allowed_length = 2;
  int dry_penalty_last_n = -1;  // -1: the whole context
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};
  double xtc_probability = 0;  // 0: off
  double xtc_threshold = 0.1;
  int mirostat = 0;  // 0 or 2: in place of top-k, typical, top-p, min-p and XTC
  double mirostat_tau = 5;
  double mirostat_eta = 0.1;
  std::map<TokenId, float> logit_bias = {};  // -infinity bans
  std::uint64_t seed = 0;
  int num_logprobs = -1;  // -1: none; n: the chosen token's and the n likeliest
};

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural log, of the model's distribution before any sampler
};

struct Picked {
  TokenId token = 0;
  float logprob = 0;              // filled when num_logprobs >= 0
  std::vector<TokenLogprob> top;  // num_logprobs of them, likeliest first
};

// One per sequence: remembers its tokens and mirostat's state. Random numbers are keyed by (seed,
// position), so the same seed gives the same tokens whatever the threads and the batch. One thread
// at a time.
class Sampler {
 public:
  // piece: a token's bytes (for DRY's sequence breakers). Errors: kInvalidArgument naming the
  // parameter out of range.
  static Result<Sampler> create(const SamplingParams& params, int vocab_size,
                                std::function<std::string_view(TokenId)> piece = {});
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;
  ~Sampler();
  // Another one with the same past: picks the same tokens, to look ahead.
  Sampler fork() const;

  void accept(
      TokenId token);  // prompt tokens and picked ones, in order: what the penalties look back on
  // Picks the next token; `logits` [V] is changed. Does not accept it. Error: kFailed on NaN, or
  // when nothing is allowed.
  Result<Picked> pick(std::span<float> logits);

 private:
  struct Impl;
  explicit Sampler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pronk
