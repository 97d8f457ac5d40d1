// A model for tests of the engine: its next token depends on every token before it, which it reads
// back from its pages, so that a wrong page, position or order changes the reply.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "model/runner.h"
#include "pronk/sampling.h"

namespace pronk {

using Key = std::uint64_t;

// Where prompts are read apart, a prompt's token gives another key than a reply's.
inline TokenId as_read(TokenId token, bool of_prompt) { return of_prompt ? ~token : token; }

inline Key next_key(Key before, TokenId token) {
  return random_bits(before, static_cast<std::uint64_t>(token));
}

// The logits after a text with this key.
inline void fake_logits(Key key, std::span<float> row) {
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = static_cast<float>(10 * random_unit(key, i));
}

class FakeRunner final : public Runner {
 public:
  FakeRunner(int vocab_size, int num_pages)
      : vocab_size_(vocab_size), keys_(static_cast<std::size_t>(num_pages * kKvPageTokens)) {}

  // Called at the begin of every step; an Error makes it fail.
  std::function<Status(const Batch&)> before_step;
  // Every row of a sequence's chunk that has this token is NaN, as where attention multiplies by
  // zero.
  TokenId poison = -1;
  // Another text in the same pages: what it says is of no use as a guess.
  Key first_key = 0;
  bool prompts_apart = false;

  Result<std::span<float>> step(const Batch& batch) override {
    if (before_step) PRONK_TRY(before_step(batch));
    const auto vocab_size = static_cast<std::size_t>(vocab_size_);
    logits_.resize(batch.logit_rows.size() * vocab_size);
    std::size_t next_logits = 0;
    for (const BatchSequence& s : batch.sequences) {
      const auto chunk = batch.tokens.subspan(static_cast<std::size_t>(s.first_row),
                                              static_cast<std::size_t>(s.num_rows));
      const bool poisoned = std::find(chunk.begin(), chunk.end(), poison) != chunk.end();
      Key key = s.start == 0 ? first_key : slot(s, s.start - 1);
      for (int i = 0; i < s.num_rows; ++i) {
        const auto row = static_cast<std::size_t>(s.first_row + i);
        const bool of_prompt = prompts_apart && s.first_row + i < batch.num_prompt_rows;
        key = next_key(key, as_read(batch.tokens[row], of_prompt));
        slot(s, batch.positions[row]) = key;
        if (next_logits == batch.logit_rows.size() ||
            batch.logit_rows[next_logits] != s.first_row + i)
          continue;
        const auto out = std::span(logits_).subspan(next_logits++ * vocab_size, vocab_size);
        fake_logits(key, out);
        if (poisoned) out[3] = std::numeric_limits<float>::quiet_NaN();
      }
    }
    return std::span<float>(logits_);
  }
  Status check(const Batch&, std::span<const float> logits) override {
    for (const float logit : logits)
      if (std::isnan(logit)) return error(Code::kFailed, "forward pass: a logit is NaN");
    return Ok{};
  }
  void copy_page(int from, int to) override {
    const auto page = [&](int i) { return keys_.begin() + i * kKvPageTokens; };
    std::copy(page(from), page(from + 1), page(to));
  }
  // 1000 bytes of weights, 100 operations a row, 1 byte for every token that is attended to.
  StepCost cost(const Batch& batch) const override {
    StepCost cost{.flops_of = {100 * static_cast<std::int64_t>(batch.tokens.size()), 0, 0},
                  .weight_bytes = 1000};
    for (const BatchSequence& s : batch.sequences) cost.kv_bytes += s.start + s.num_rows;
    return cost;
  }
  bool reads_prompts_apart() const override { return prompts_apart; }
  std::string_view isa() const override { return "fake"; }
  int num_threads() const override { return 2; }

 private:
  Key& slot(const BatchSequence& s, int position) {
    const int page = s.pages[static_cast<std::size_t>(position / kKvPageTokens)];
    return keys_[static_cast<std::size_t>(page * kKvPageTokens + position % kKvPageTokens)];
  }

  int vocab_size_;
  std::vector<Key> keys_;
  std::vector<float> logits_;
};

// What the model and the sampler say without any engine.
inline std::vector<TokenId> expected_reply(const std::vector<TokenId>& prompt,
                                           const SamplingParams& params, int num_tokens,
                                           int vocab_size, bool prompts_apart = false) {
  auto sampler = Sampler::create(params, vocab_size);
  Key key = 0;
  for (const TokenId t : prompt) {
    key = next_key(key, as_read(t, prompts_apart));
    sampler->accept(t);
  }
  std::vector<TokenId> reply;
  std::vector<float> row(static_cast<std::size_t>(vocab_size));
  while (static_cast<int>(reply.size()) < num_tokens) {
    fake_logits(key, row);
    const TokenId t = sampler->pick(row)->token;
    sampler->accept(t);
    reply.push_back(t);
    key = next_key(key, t);
  }
  return reply;
}

}  // namespace pronk
