#include "engine/model_drafter.h"

#include <gtest/gtest.h>

#include "fake_model.h"

namespace pronk {
namespace {

constexpr int kVocab = 67;
using Tokens = std::vector<TokenId>;

std::unique_ptr<ModelDrafter> drafter(int num_pages = 20, int max_batch_tokens = 512,
                                      std::function<Status(const Batch&)> before_step = {},
                                      double expected_cost = 0) {
  auto runner = std::make_unique<FakeRunner>(kVocab, num_pages);
  runner->before_step = std::move(before_step);
  return std::make_unique<ModelDrafter>(ModelDrafter::Parts{
      .runner = std::move(runner),
      .num_pages = num_pages,
      .context = (num_pages - 1) * kKvPageTokens,
      .vocab_size = kVocab,
      .expected_cost = expected_cost,
      .limits = {.max_batch_tokens = max_batch_tokens, .max_draft_tokens = 64}});
}

// A reply as an engine has it: a text that grows by what its own model says.
struct Reply {
  Reply(std::uint64_t number, Tokens prompt, const SamplingParams& params)
      : id(number), tokens(std::move(prompt)), sampler(*Sampler::create(params, kVocab)) {
    for (const TokenId t : tokens) sampler.accept(t);
    expected = expected_reply(tokens, params, 200, kVocab);
  }
  void grow(std::size_t num_tokens) {
    for (; num_tokens > 0; --num_tokens) {
      tokens.push_back(expected[done++]);
      sampler.accept(tokens.back());
    }
  }
  // Instead of what its model said.
  void say(TokenId token) {
    tokens.push_back(token);
    sampler.accept(token);
  }
  DraftRequest request(int most) {
    draft.clear();
    return {.id = id, .tokens = tokens, .sampler = &sampler, .most = most, .draft = &draft};
  }
  Tokens next(std::size_t num_tokens) const {
    const auto from = expected.begin() + static_cast<std::ptrdiff_t>(done);
    return {from, from + static_cast<std::ptrdiff_t>(num_tokens)};
  }
  std::uint64_t id;
  Tokens tokens, expected, draft;
  std::size_t done = 0;
  Sampler sampler;
};

Tokens text(int num_tokens, std::uint64_t seed) {
  Tokens tokens;
  for (int i = 0; i < num_tokens; ++i)
    tokens.push_back(static_cast<TokenId>(random_bits(seed, static_cast<std::uint64_t>(i)) % 60));
  return tokens;
}

const SamplingParams kGreedy = {.temperature = 0};
const SamplingParams kSampled = {
    .temperature = 1.2, .top_p = 0.95, .repeat_penalty = 1.3, .seed = 4};

TEST(ModelDrafter, TheSameModelSaysTheSameHoweverMuchWasRight) {
  for (const SamplingParams& params : {kGreedy, kSampled}) {
    auto d = drafter();
    Reply a(1, text(50, 1), params), b(2, text(3, 2), params);
    for (std::size_t round = 0; round < 30; ++round) {
      std::vector<DraftRequest> requests = {a.request(5), b.request(3)};
      d->propose(requests);
      ASSERT_EQ(a.draft, a.next(5)) << round;
      ASSERT_EQ(b.draft, b.next(3)) << round;
      a.grow(1 + round % 6);  // of the guesses none to all came true, and one token more
      b.grow(1 + (round + 1) % 4);
    }
    d->forget(1);
    d->forget(2);
    EXPECT_EQ(d->num_pages_available(), 20);
  }
}

TEST(ModelDrafter, WrongGuessesAreWrittenOver) {
  auto d = drafter();
  Reply r(1, text(30, 1), kGreedy);
  for (int round = 0; round < 20; ++round) {
    std::vector<DraftRequest> requests = {r.request(4)};
    d->propose(requests);
    ASSERT_EQ(r.draft, r.next(4)) << round;
    Tokens other = r.tokens;
    other.push_back((r.draft[0] + 1) % 60);  // the text goes on otherwise
    r = Reply(1, other, kGreedy);
  }
}

TEST(ModelDrafter, ALongTextIsReadOverSeveralCalls) {
  auto d = drafter(20, 64);
  Reply r(1, text(200, 1), kGreedy);
  for (int call = 0; call < 4; ++call) {
    std::vector<DraftRequest> requests = {r.request(4)};
    EXPECT_EQ(d->propose(requests).num_guesses, 0) << "reading is no measure of guessing";
    EXPECT_EQ(r.draft, call < 3 ? Tokens() : r.next(4));
  }
  r.grow(2);
  std::vector<DraftRequest> requests = {r.request(4)};
  EXPECT_EQ(d->propose(requests).num_guesses, 4);
}

// Where reading costs something: what is read, and of how much.
struct Trial {
  std::unique_ptr<ModelDrafter> drafter_on(double expected_cost, int max_batch_tokens = 512) {
    return drafter(
        20, max_batch_tokens,
        [this](const Batch& batch) -> Status {
          num_read += static_cast<int>(batch.tokens.size());
          return Ok{};
        },
        expected_cost);
  }
  DraftRequest ask(ModelDrafter& d, Reply& reply, int most = 1) {
    num_read = 0;
    std::vector<DraftRequest> requests = {reply.request(most)};
    d.propose(requests);
    return requests[0];
  }
  int num_read = 0;
};

TEST(ModelDrafter, IsTriedOnARepliesFirstTokensWithThePromptsEnd) {
  for (const SamplingParams& params : {kGreedy, kSampled})
    for (const int max_batch_tokens : {512, 10}) {
      Trial trial;
      const auto d = trial.drafter_on(0.25, max_batch_tokens);
      Reply r(1, text(12, 1), params);
      for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(trial.ask(*d, r).num_tried, 0);
        EXPECT_EQ(trial.num_read, 0) << "before there is enough to try it on";
        r.grow(1);
      }
      int num_tried = 0, num_true = 0, calls = 0;
      for (; num_tried == 0; ++calls) {
        const DraftRequest tried = trial.ask(*d, r);
        num_tried = tried.num_tried;
        num_true = tried.num_true;
        r.grow(1);
      }
      EXPECT_EQ(num_tried, 8);
      EXPECT_EQ(calls, max_batch_tokens == 512 ? 1 : 2) << "12 tokens of prompt, 10 a step";
      EXPECT_EQ(num_true, num_tried) << "it is the same model, and has read the whole prompt";
      trial.ask(*d, r, 4);
      EXPECT_EQ(r.draft, r.next(4));
    }
}

TEST(ModelDrafter, OfNoUseReadsNoMoreOfALongPrompt) {
  Trial trial;
  const auto d = trial.drafter_on(0.25);
  Reply r(1, text(300, 1), kGreedy);
  trial.ask(*d, r);
  r.grow(8);
  const DraftRequest tried = trial.ask(*d, r);  // what it says depends on the whole prompt
  EXPECT_EQ(tried.num_tried, 8);
  EXPECT_LT(tried.num_true, 3);
  EXPECT_EQ(trial.num_read, 16 + 8);
}

TEST(ModelDrafter, TrueGuessesPayForReadingFurtherBack) {
  SamplingParams always_11 = kGreedy;
  always_11.logit_bias = {{11, 1000.0F}};
  Trial trial;
  const auto d = trial.drafter_on(0.25);
  Reply r(1, text(150, 1), always_11);
  trial.ask(*d, r);
  for (int i = 0; i < 8; ++i) r.say(11);
  EXPECT_EQ(trial.ask(*d, r).num_true, 8);
  r.say(11);
  trial.ask(*d, r);
  EXPECT_EQ(trial.num_read, 8 * 8) << "a true guess pays for 2 / 0.25 tokens";
  int most_read = 0;
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 5; ++j) r.say(11);
    trial.ask(*d, r, 5);
    EXPECT_EQ(r.draft, Tokens(5, 11));
    most_read = std::max(most_read, trial.num_read);
  }
  EXPECT_GT(most_read, 150) << "in the end the whole of it";
  Reply other(2, text(60, 2), kGreedy);
  trial.ask(*d, other);
  EXPECT_EQ(trial.num_read, 60) << "the next text is read at once";
}

TEST(ModelDrafter, AChatsEarlierTurnsAreReadOnce) {
  int num_read = 0;
  auto d = drafter(20, 512, [&](const Batch& batch) -> Status {
    num_read += static_cast<int>(batch.tokens.size());
    return Ok{};
  });
  Reply first(1, text(200, 1), kGreedy);
  std::vector<DraftRequest> requests = {first.request(1)};
  d->propose(requests);
  d->forget(1);
  Tokens longer = text(200, 1);
  longer.push_back(5);
  Reply second(2, longer, kGreedy);
  num_read = 0;
  requests = {second.request(1)};
  d->propose(requests);
  EXPECT_EQ(num_read, 201 - 192);
  EXPECT_EQ(second.draft, second.next(1));
}

TEST(ModelDrafter, ItsContextsEndEndsTheGuesses) {
  auto d = drafter(3);  // a context of 64
  Reply r(1, text(61, 1), kGreedy);
  std::vector<DraftRequest> requests = {r.request(8)};
  d->propose(requests);
  EXPECT_EQ(r.draft, r.next(3));
  r.grow(3);
  requests = {r.request(8)};
  d->propose(requests);
  EXPECT_EQ(r.draft, Tokens());
  EXPECT_EQ(d->num_pages_available(), 3);
}

TEST(ModelDrafter, TextsThatGiveWayAreReadAgain) {
  auto d = drafter(5);
  Reply a(1, text(50, 1), kGreedy), b(2, text(50, 2), kGreedy);
  int num_both = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<DraftRequest> requests = {a.request(4)};
    if (round % 3 != 1) requests.push_back(b.request(4));
    d->propose(requests);
    EXPECT_EQ(a.draft, a.next(a.draft.size())) << round;
    if (requests.size() == 2) {
      EXPECT_EQ(b.draft, b.next(b.draft.size())) << round;
      num_both += !a.draft.empty() && !b.draft.empty();
      b.grow(1);
    }
    a.grow(1 + static_cast<std::size_t>(round % 3));
  }
  EXPECT_GT(num_both, 5);
  d->forget(2);
  d->forget(1);
  EXPECT_EQ(d->num_pages_available(), 5);
}

TEST(ModelDrafter, ABrokenModelGuessesNoMore) {
  auto d = drafter(20, 512, [](const Batch& batch) -> Status {
    if (batch.positions[0] < 10) return Ok{};
    return error(Code::kCorruptData, "forward pass: 'm.gguf' changed while it was in use");
  });
  Reply r(1, text(5, 1), kGreedy);
  for (int round = 0; round < 6; ++round) {
    std::vector<DraftRequest> requests = {r.request(4)};
    d->propose(requests);
    EXPECT_EQ(r.draft, r.next(r.draft.size()));
    EXPECT_EQ(r.draft.empty(), round > 2) << round;
    r.grow(2);
  }
}

}  // namespace
}  // namespace pronk
