// Whole engines under seeded random loads: more sequences than memory, prompts longer than the
// context, replies that never stop, cancellation at any event, NaN logits, drafters right and
// wrong. Every reply is what it is alone, or ends as it should. PRONK_SIMULATIONS as in
// simulation_test.cc.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "engine/model_drafter.h"
#include "engine/ngram_drafter.h"
#include "engine_world.h"

namespace pronk {
namespace {

constexpr TokenId kPoison = 61;  // random_tokens has none

class EngineSimulation {
 public:
  explicit EngineSimulation(std::uint64_t seed) : rng_(seed) {
    world_.context = upto(33, 150);
    world_.num_pages = pages_for(world_.context) + upto(1, 8);
    world_.options.max_batch_tokens = upto(1, 40);
    world_.options.max_sequences = upto(1, 6);
    world_.options.prefix_cache = upto(0, 3) > 0;
    world_.poison = kPoison;
    world_.always = upto(0, 3) > 0;
    world_.prompts_apart = upto(0, 1) == 1;
    choose_drafter(upto(0, 3));
  }

  void run() {
    const auto engine = start(world_);
    for (int i = upto(1, 10); i > 0; --i) ask(*engine);
    for (Asked& asked : asked_) ASSERT_NO_FATAL_FAILURE(check(asked));
    asked_.clear();
    const EngineStats s = idle_stats(*engine);
    EXPECT_EQ(s.pages_free, world_.num_pages);
    EXPECT_LE(s.accepted_tokens, s.drafted_tokens);
  }

 private:
  struct Asked {
    Stream stream;
    std::vector<TokenId> expected;
    int cancelled_after;  // events; -1: never
    bool fails;           // after the expected tokens
  };

  int upto(int least, int most) {
    return least + static_cast<int>(rng_() % static_cast<unsigned>(most - least + 1));
  }

  void choose_drafter(int kind) {
    if (kind == 1) world_.drafter = [] { return std::make_unique<NgramDrafter>(); };
    if (kind < 2) return;
    world_.drafter = [this, kind] {
      auto runner = std::make_unique<FakeRunner>(kVocab, world_.num_pages);
      runner->first_key = kind == 3 ? 99 : 0;
      runner->poison = kPoison;
      return std::make_unique<ModelDrafter>(ModelDrafter::Parts{
          .runner = std::move(runner),
          .num_pages = world_.num_pages,
          .context = world_.context,
          .vocab_size = kVocab,
          .limits = {.max_sequences =
                         std::min(world_.options.max_sequences, world_.options.max_batch_tokens),
                     .max_batch_tokens = world_.options.max_batch_tokens,
                     .max_draft_tokens = 20}});
    };
  }

  void ask(Engine& engine) {
    auto tokens = random_tokens(upto(1, world_.context + 10), rng_() % 3);
    SamplingParams sampling{.temperature = upto(0, 1) * 1.2, .seed = rng_()};
    if (upto(0, 2) > 0) sampling.logit_bias = {{11, 1000.0F}, {12, 1000.0F}};
    const bool poisoned = upto(0, 5) == 0;
    if (poisoned) tokens.back() = kPoison;
    const int room = world_.context - static_cast<int>(tokens.size());
    Prompt prompt = prompt_of(tokens, upto(0, 40), sampling);
    prompt.cache_namespace = upto(0, 2) == 0 ? "other" : "";
    const int num_replies = upto(1, 3);
    auto streams = engine.submit(prompt, num_replies);
    ASSERT_EQ(streams.has_value(), room > 0);
    if (!streams) {
      EXPECT_EQ(streams.error().code, Code::kInvalidArgument);
      return;
    }
    for (Stream& stream : *streams) {
      const int num_tokens = prompt.max_tokens == 0 ? room : std::min(room, prompt.max_tokens);
      auto expected =
          expected_reply(tokens, sampling, poisoned ? 0 : num_tokens, kVocab, world_.prompts_apart);
      // The poison is never in the text by chance alone: its next token fails.
      const auto poison = std::find(expected.begin(), expected.end(), kPoison);
      const bool fails = poisoned || (poison != expected.end() && poison + 1 != expected.end());
      if (fails && !poisoned) expected.erase(poison + 1, expected.end());
      asked_.push_back(
          {std::move(stream), std::move(expected), upto(0, 3) == 0 ? upto(0, 30) : -1, fails});
      ++sampling.seed;
    }
  }

  static void check(Asked& asked) {
    std::vector<TokenId> tokens;
    std::optional<FinishReason> finish;
    for (int events = 0; !finish; ++events) {
      if (events == asked.cancelled_after) asked.stream.cancel();
      const auto event = asked.stream.next();
      ASSERT_TRUE(event);
      if (event->token) tokens.push_back(event->token->token);
      finish = event->finish;
    }
    EXPECT_FALSE(asked.stream.next());
    ASSERT_LE(tokens.size(), asked.expected.size());
    if (*finish != FinishReason::kCancelled) {
      EXPECT_EQ(*finish, asked.fails ? FinishReason::kError : FinishReason::kLength);
      EXPECT_EQ(tokens, asked.expected);
    }
    EXPECT_TRUE(asked.cancelled_after >= 0 || *finish != FinishReason::kCancelled);
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), asked.expected.begin()));
  }

  std::mt19937_64 rng_;
  World world_;
  std::vector<Asked> asked_;
};

TEST(EngineSimulation, EveryReplyIsWhatItIsAlone) {
  const char* wanted = std::getenv("PRONK_SIMULATIONS");
  const int runs = (wanted ? std::atoi(wanted) : 1000);
  for (int seed = 0; seed < runs; ++seed) {
    EngineSimulation(static_cast<std::uint64_t>(seed)).run();
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace pronk
