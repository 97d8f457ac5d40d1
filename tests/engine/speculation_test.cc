// The engine with drafters: whatever they guess, and wherever a draft is cut short, every token is
// the one that would have come without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/model_drafter.h"
#include "engine/ngram_drafter.h"
#include "engine_world.h"

namespace pronk {
namespace {

using ::testing::HasSubstr;

// A drafter on a fake model of its own: the same one guesses right, with another key wrong.
std::unique_ptr<Drafter> model_drafter(Key first_key = 0, TokenId poison = -1,
                                       double expected_cost = 0) {
  constexpr int kPages = 60;
  auto runner = std::make_unique<FakeRunner>(kVocab, kPages);
  runner->first_key = first_key;
  runner->poison = poison;
  return std::make_unique<ModelDrafter>(
      ModelDrafter::Parts{.runner = std::move(runner),
                          .num_pages = kPages,
                          .context = 1000,
                          .vocab_size = kVocab,
                          .expected_cost = expected_cost,
                          .limits = {.max_batch_tokens = 64, .max_draft_tokens = 64}});
}
std::unique_ptr<Drafter> right() { return model_drafter(); }
std::unique_ptr<Drafter> wrong() { return model_drafter(99); }
std::unique_ptr<Drafter> on_trial() { return model_drafter(0, -1, 0.25); }
std::unique_ptr<Drafter> ngram() { return std::make_unique<NgramDrafter>(); }

// Always guesses one token, over and over.
class Stubborn final : public Drafter {
 public:
  explicit Stubborn(TokenId token) : token_(token) {}
  DraftCost propose(std::span<DraftRequest> requests) override {
    for (DraftRequest& r : requests) r.draft->assign(static_cast<std::size_t>(r.most), token_);
    return {};
  }
  void forget(std::uint64_t) override {}
  double expected_cost() const override { return 0; }

 private:
  TokenId token_;
};

constexpr std::unique_ptr<Drafter> (*kDrafters[])() = {right, wrong, on_trial, ngram};

// A text of two tokens repeats its words all the time: many n-gram drafts come true, and many do
// not.
SamplingParams two_tokens(bool greedy, std::uint64_t seed) {
  return {.temperature = greedy ? 0.0 : 4.0,
          .presence_penalty = 0.5,
          .logit_bias = {{11, 1000.0F}, {12, 1000.0F}},
          .seed = seed};
}

TEST(Speculation, ChangesNoToken) {
  struct Case {
    int num_pages, max_sequences, max_batch_tokens;
  };
  for (const auto drafter : kDrafters)
    for (const Case c : {Case{60, 16, 512}, Case{60, 1, 16}, Case{9, 16, 64}, Case{60, 3, 4}}) {
      auto engine = start(
          {.num_pages = c.num_pages,
           .options = {.max_sequences = c.max_sequences, .max_batch_tokens = c.max_batch_tokens},
           .drafter = drafter});
      std::vector<Stream> streams;
      std::vector<std::vector<TokenId>> want;
      for (std::uint64_t i = 0; i < 12; ++i) {
        auto tokens = random_tokens(1 + static_cast<int>(13 * i), i % 3);
        const SamplingParams sampling = two_tokens(i % 2 == 0, i);
        want.push_back(expected_reply(tokens, sampling, 40, kVocab));
        auto stream = engine->submit(prompt_of(std::move(tokens), 40, sampling));
        ASSERT_OK(stream);
        streams.push_back(std::move(*stream));
      }
      for (std::size_t i = 0; i < streams.size(); ++i)
        ASSERT_EQ(read(streams[i]).tokens, want[i])
            << "reply " << i << ", " << c.num_pages << " pages, " << c.max_batch_tokens
            << " tokens";
      const EngineStats s = idle_stats(*engine);
      EXPECT_GT(s.accepted_tokens, 0);
      if (drafter != on_trial) {  // of which some are right
        EXPECT_EQ(s.drafted_tokens > s.accepted_tokens, drafter != right);
      }
      EXPECT_EQ(s.generated_tokens, 12 * 40);
    }
}

TEST(Speculation, ByItsOwnMeasureChangesNoTokenEither) {
  auto engine = start({.drafter = right, .always = false});
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto tokens = random_tokens(30, seed);
    EXPECT_EQ(ask(*engine, prompt_of(tokens, 100, kGreedy)).tokens,
              expected_reply(tokens, kGreedy, 100, kVocab));
  }
}

TEST(Speculation, ARightDrafterSavesStepsAndItsTokensAreKeptForLaterPrompts) {
  auto engine = start({.options = {.max_sequences = 1}, .drafter = right});
  const auto tokens = random_tokens(10, 3);
  const auto reply = expected_reply(tokens, kGreedy, 120, kVocab);
  EXPECT_EQ(ask(*engine, prompt_of(tokens, 120, kGreedy)).tokens, reply);
  const EngineStats s = idle_stats(*engine);
  EXPECT_LT(s.steps, 25);
  EXPECT_EQ(s.accepted_tokens, s.drafted_tokens);
  auto longer = tokens;
  longer.insert(longer.end(), reply.begin(), reply.end());
  const Outcome o = ask(*engine, prompt_of(longer, 20, kGreedy));
  EXPECT_GE(o.num_cached, 96);
  EXPECT_EQ(o.tokens, expected_reply(longer, kGreedy, 20, kVocab));
}

TEST(Speculation, AWrongDrafterCostsNoStep) {
  auto engine = start({.drafter = [] { return std::make_unique<Stubborn>(66); }});
  SamplingParams never = kGreedy;
  never.logit_bias = {{66, -INFINITY}};
  const auto tokens = random_tokens(10, 3);
  EXPECT_EQ(ask(*engine, prompt_of(tokens, 50, never)).tokens,
            expected_reply(tokens, never, 50, kVocab));
  const EngineStats s = idle_stats(*engine);
  EXPECT_EQ(s.steps, 50);
  EXPECT_EQ(s.accepted_tokens, 0);
  EXPECT_GT(s.drafted_tokens, 40);
}

TEST(Speculation, SeveralRepliesToOnePrompt) {
  for (const auto drafter : kDrafters)
    expect_replies(*start({.drafter = drafter}), random_tokens(70, 5), 4);
}

TEST(Speculation, AStopTextMayLieAcrossADraft) {
  const Tokenizer tokenizer = letters();
  for (const auto drafter : kDrafters) {
    auto engine = start({.tokenizer = tokenizer, .drafter = drafter});
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const auto tokens = random_tokens(10, seed);
      const std::string text = *tokenizer.decode(expected_reply(tokens, kGreedy, 40, kVocab));
      Prompt p = prompt_of(tokens, 40, kGreedy);
      p.stop = {text.substr(17, 5), "no such text"};
      const Outcome o = ask(*engine, p);
      EXPECT_EQ(o.finish, FinishReason::kStop);
      EXPECT_EQ(o.text, text.substr(0, text.find(p.stop[0])));
    }
  }
}

TEST(Speculation, AnEndTokenWithinADraftEndsTheReply) {
  auto engine = start({.drafter = right});
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto tokens = random_tokens(20, seed);
    const auto reply = expected_reply(tokens, kGreedy, 30, kVocab);
    Prompt p = prompt_of(tokens, 30, kGreedy);
    p.end_tokens = {reply[12 + seed]};
    const auto first = std::find(reply.begin(), reply.end(), p.end_tokens[0]);
    const Outcome o = ask(*engine, p);
    EXPECT_EQ(o.finish, FinishReason::kEnd);
    EXPECT_EQ(o.tokens, std::vector<TokenId>(reply.begin(), first));
  }
}

TEST(Speculation, TheContextAndTheLimitEndWithinADraft) {
  auto engine = start({.context = 64, .drafter = right});
  for (int num_prompt = 50; num_prompt < 64; ++num_prompt) {
    const auto tokens = random_tokens(num_prompt, 1);
    EXPECT_EQ(ask(*engine, prompt_of(tokens, 0, kGreedy)).tokens,
              expected_reply(tokens, kGreedy, 64 - num_prompt, kVocab));
  }
  for (int limit = 1; limit < 20; ++limit) {
    const auto tokens = random_tokens(20, 2);
    EXPECT_EQ(ask(*engine, prompt_of(tokens, limit, kGreedy)).tokens,
              expected_reply(tokens, kGreedy, limit, kVocab));
  }
}

TEST(Speculation, CancellingBetweenDraftsFreesThePages) {
  auto engine = start({.context = 1000,
                       .before_step = [](const Batch&) -> Status {
                         std::this_thread::sleep_for(std::chrono::milliseconds(1));
                         return Ok{};
                       },
                       .drafter = right});
  auto cancelled = engine->submit(prompt_of({1}, 0));
  auto survivor = engine->submit(prompt_of({5}, 100, kGreedy));
  for (int i = 0; i < 20; ++i) cancelled->next();
  cancelled->cancel();
  while (const auto event = cancelled->next())
    EXPECT_EQ(event->finish.value_or(FinishReason::kCancelled), FinishReason::kCancelled);
  EXPECT_EQ(read(*survivor).tokens, expected_reply({5}, kGreedy, 100, kVocab));
  EXPECT_LT(idle_stats(*engine).generated_tokens, 900);
}

TEST(Speculation, ANanAfterAWrongGuessEndsNothing) {
  constexpr TokenId kPoison = 60;
  SamplingParams sampling = kGreedy;
  sampling.logit_bias = {{11, 1000.0F}};
  auto engine =
      start({.poison = kPoison, .drafter = [=] { return std::make_unique<Stubborn>(kPoison); }});
  auto beside = engine->submit(prompt_of({1, 2, 3}, 30, sampling));
  const Outcome o = ask(*engine, prompt_of({20, 11, 11}, 30, sampling));
  EXPECT_EQ(o.finish, FinishReason::kLength);
  EXPECT_EQ(o.tokens, std::vector<TokenId>(30, 11));
  EXPECT_EQ(read(*beside).tokens, std::vector<TokenId>(30, 11));
}

TEST(Speculation, ANanAfterARightGuessEndsThatReplyWhereItWouldHaveEnded) {
  constexpr TokenId kPoison = 63;  // random_tokens has none
  std::uint64_t seed = 0;
  std::vector<TokenId> tokens, reply;
  std::ptrdiff_t at = 0;
  for (; at < 4 || at == 30; at = std::find(reply.begin(), reply.end(), kPoison) - reply.begin()) {
    tokens = random_tokens(20, seed++);
    reply = expected_reply(tokens, kGreedy, 30, kVocab);
  }
  for (const bool with_drafts : {false, true}) {
    World world{.poison = kPoison};
    if (with_drafts) world.drafter = right;
    auto engine = start(world);
    auto beside = engine->submit(
        prompt_of({1}, 30, {.temperature = 0, .logit_bias = {{kPoison, -INFINITY}}}));
    const Outcome o = ask(*engine, prompt_of(tokens, 30, kGreedy));
    EXPECT_EQ(o.tokens, std::vector<TokenId>(reply.begin(), reply.begin() + at + 1));
    ASSERT_TRUE(o.error);
    EXPECT_EQ(o.error->code, Code::kFailed);
    EXPECT_THAT(o.error->message, HasSubstr("NaN"));
    EXPECT_EQ(read(*beside).finish, FinishReason::kLength);
    idle_stats(*engine);
  }
}

TEST(Speculation, ADraftModelsOwnNanCostsItsGuessesOnly) {
  auto engine = start({.drafter = [] { return model_drafter(0, 17); }});
  const auto tokens = random_tokens(20, 6);
  EXPECT_EQ(ask(*engine, prompt_of(tokens, 100, kGreedy)).tokens,
            expected_reply(tokens, kGreedy, 100, kVocab));
}

}  // namespace
}  // namespace pronk
