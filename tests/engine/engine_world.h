// An engine on a fake model, and what is asked of it.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/parts.h"
#include "fake_model.h"
#include "formats/model_source.h"
#include "support.h"

namespace pronk {

inline constexpr int kVocab = 64 + 3;

struct World {
  int context = 200, num_pages = 40;
  EngineOptions options = {};
  std::function<Status(const Batch&)> before_step = {};
  std::optional<Tokenizer> tokenizer = {};
  TokenId poison = -1;
  std::function<std::unique_ptr<Drafter>()> drafter = {};
  bool always = true;  // it guesses
  std::optional<kernels::Peaks> peaks = {};
  bool prompts_apart = false;
};

inline std::unique_ptr<Engine> start(const World& world = {}) {
  auto runner = std::make_unique<FakeRunner>(kVocab, world.num_pages);
  runner->before_step = world.before_step;
  runner->poison = world.poison;
  runner->prompts_apart = world.prompts_apart;
  EngineParts parts;
  parts.runner = std::move(runner);
  parts.vocab_size = kVocab;
  parts.capacity = {.context = world.context, .num_pages = world.num_pages};
  parts.tokenizer = world.tokenizer;
  parts.options = world.options;
  parts.peaks = world.peaks;
  if (world.drafter) {
    parts.drafter = world.drafter();
    parts.options.speculate = Speculate::kDraftModel;
    parts.options.speculate_always = world.always;
  }
  return Engine::start_with(std::move(parts));
}

inline std::vector<TokenId> random_tokens(int num, std::uint64_t seed) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < num; ++i)
    tokens.push_back(static_cast<TokenId>(random_bits(seed, static_cast<std::uint64_t>(i)) % 60));
  return tokens;
}

inline Prompt prompt_of(std::vector<TokenId> tokens, int max_tokens, SamplingParams sampling = {}) {
  Prompt p;
  p.tokens = std::move(tokens);
  p.max_tokens = max_tokens;
  p.sampling = std::move(sampling);
  return p;
}

inline const SamplingParams kGreedy = {.temperature = 0};

struct Outcome {
  std::vector<TokenId> tokens;
  std::string text;
  std::vector<int> progress;
  int num_cached = 0;
  std::optional<FinishReason> finish;
  std::optional<Error> error;
};

inline Outcome read(Stream& stream) {
  Outcome o;
  while (const auto event = stream.next()) {
    EXPECT_FALSE(o.finish) << "nothing comes after the end";
    o.text += event->text;
    if (event->token) o.tokens.push_back(event->token->token);
    if (event->num_prompt_done > 0) {
      EXPECT_TRUE(o.tokens.empty()) << "the prompt is read before the reply begins";
      o.progress.push_back(event->num_prompt_done);
      o.num_cached = event->num_prompt_cached;
    }
    o.finish = event->finish;
    o.error = event->error;
  }
  EXPECT_TRUE(o.finish);
  return o;
}

inline Outcome ask(Engine& engine, Prompt prompt) {
  auto stream = engine.submit(std::move(prompt));
  EXPECT_OK(stream);
  return read(*stream);
}

// Several replies to one prompt, each as if it were asked for alone.
inline void expect_replies(Engine& engine, const std::vector<TokenId>& tokens, int num_replies) {
  constexpr int kTokens = 30;
  SamplingParams sampling{.temperature = 1, .seed = 9};
  auto streams = engine.submit(prompt_of(tokens, kTokens, sampling), num_replies);
  ASSERT_OK(streams);
  for (Stream& stream : *streams) {
    EXPECT_EQ(read(stream).tokens, expected_reply(tokens, sampling, kTokens, kVocab));
    ++sampling.seed;
  }
}

// Statistics once the engine has nothing left to do.
inline EngineStats idle_stats(const Engine& engine) {
  for (;;) {
    const EngineStats s = engine.stats();
    if (s.running == 0 && s.waiting == 0 && s.pages_free == s.pages_total) return s;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// One token a letter: 0..25 are "a".."z", the rest two letters each.
inline Tokenizer letters() {
  TokenizerSource source;
  source.kind = TokenizerSource::Kind::kGguf;
  source.gguf_model = "gpt2";
  source.gguf_pre = "gpt-2";
  for (int i = 0; i < kVocab; ++i) {
    std::string piece(1, static_cast<char>('a' + i % 26));
    if (i >= 26) piece += static_cast<char>('a' + i / 26);
    source.tokens.push_back(piece);
    source.token_types.push_back(1);
  }
  auto tokenizer = Tokenizer::from_source(source);
  if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
  return *std::move(tokenizer);
}

}  // namespace pronk
