#include "pronk/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <future>
#include <random>

#include "engine_world.h"

namespace pronk {
namespace {

using ::testing::HasSubstr;

TEST(Engine, AReplyIsWhatTheModelSays) {
  auto engine = start();
  const auto tokens = random_tokens(70, 1);
  const Outcome o = ask(*engine, prompt_of(tokens, 50, kGreedy));
  EXPECT_EQ(o.tokens, expected_reply(tokens, kGreedy, 50, kVocab));
  EXPECT_EQ(o.finish, FinishReason::kLength);
  const EngineStats s = idle_stats(*engine);
  EXPECT_EQ(s.prompt_tokens, 70);
  EXPECT_EQ(s.generated_tokens, 50);
  EXPECT_EQ(s.steps, 50);
}

constexpr kernels::Peaks kPeaks = {
    .read_bytes_per_s = 1e6, .int8_ops_per_s = 1e6, .bf16_ops_per_s = 1e9, .f32_ops_per_s = 1e9};

TEST(Engine, StatisticsCompareEachPhaseWithWhatBoundsIt) {
  World world;
  world.peaks = kPeaks;
  auto engine = start(world);
  ask(*engine, prompt_of(random_tokens(70, 1), 50, kGreedy));
  const EngineStats s = idle_stats(*engine);
  EXPECT_EQ(s.prefill.operations, 70 * 100);
  EXPECT_EQ(s.prefill.bytes, 1000 + 70);
  EXPECT_DOUBLE_EQ(s.prefill.compute_bound_seconds, 7e-3);
  EXPECT_EQ(s.prefill.memory_bound_seconds, 0);
  EXPECT_EQ(s.prefill.limited_by(), "compute");
  EXPECT_EQ(s.decode.operations, 49 * 100);
  const std::int64_t bytes = 49 * 1000 + (71 + 119) * 49 / 2;
  EXPECT_EQ(s.decode.bytes, bytes);
  EXPECT_DOUBLE_EQ(s.decode.memory_bound_seconds, 1e-6 * static_cast<double>(bytes));
  EXPECT_EQ(s.decode.compute_bound_seconds, 0);
  EXPECT_EQ(s.decode.limited_by(), "memory");
  EXPECT_DOUBLE_EQ(s.decode.percent_of_limit(), 100 * s.decode.least_seconds() / s.decode.seconds);
}

TEST(Engine, AStepThatReadsAndWritesCountsForBothByItsTokens) {
  std::promise<void> second_is_there;
  World world;
  world.peaks = kPeaks;
  world.before_step = [there = second_is_there.get_future().share()](const Batch& batch) -> Status {
    if (batch.positions[0] > 0) there.wait();
    return Ok{};
  };
  auto engine = start(world);
  auto first = engine->submit(prompt_of({1}, 3, kGreedy));
  first->next();  // its first token: the step that comes now waits
  auto second = engine->submit(prompt_of(random_tokens(30, 2), 1, kGreedy));
  second_is_there.set_value();
  read(*first);
  read(*second);
  const EngineStats s = idle_stats(*engine);
  EXPECT_EQ(s.prefill.operations + s.decode.operations, (1 + 2 + 30) * 100);
  EXPECT_EQ(s.prefill.operations, (1 + 30) * 100);
  EXPECT_NEAR(s.prefill.least_seconds() + s.decode.least_seconds(),
              1001e-6 + 1002e-6 + (31 * 100) * 1e-6, 30e-6)
      << "a step of one row, another, and one of 31";
}

TEST(Engine, WithoutLimitsNothingIsCompared) {
  auto engine = start();
  ask(*engine, prompt_of(random_tokens(70, 1), 5, kGreedy));
  const EngineStats s = idle_stats(*engine);
  EXPECT_EQ(s.prefill.least_seconds() + s.decode.least_seconds(), 0);
  EXPECT_EQ(s.prefill.operations, 0);
  EXPECT_GT(s.prefill.seconds, 0);
}

TEST(Engine, WhatElseRunsChangesNoToken) {
  struct Case {
    int num_pages, max_sequences, max_batch_tokens;
    bool prefix_cache;
  };
  for (const Case c : {Case{40, 16, 512, true}, Case{40, 3, 7, true}, Case{9, 16, 64, true},
                       Case{9, 16, 64, false}, Case{8, 4, 1, true}}) {
    World world;
    world.num_pages = c.num_pages;
    world.options = {.max_sequences = c.max_sequences,
                     .max_batch_tokens = c.max_batch_tokens,
                     .prefix_cache = c.prefix_cache};
    std::promise<void> all_are_there;  // so that the load is the same every time
    world.before_step = [there = all_are_there.get_future().share()](const Batch&) -> Status {
      there.wait();
      return Ok{};
    };
    auto engine = start(world);
    std::vector<Stream> streams;
    std::vector<std::vector<TokenId>> want;
    for (int i = 0; i < 24; ++i) {
      auto tokens = random_tokens(1 + 17 * i % 120, static_cast<std::uint64_t>(i % 3));
      const SamplingParams sampling{.temperature = i % 2 == 0 ? 0.0 : 1.3,
                                    .top_p = 0.9,
                                    .repeat_penalty = 1.2,
                                    .seed = static_cast<std::uint64_t>(i)};
      want.push_back(expected_reply(tokens, sampling, 40, kVocab));
      auto stream = engine->submit(prompt_of(std::move(tokens), 40, sampling));
      ASSERT_OK(stream);
      streams.push_back(std::move(*stream));
    }
    all_are_there.set_value();
    for (std::size_t i = 0; i < streams.size(); ++i)
      ASSERT_EQ(read(streams[i]).tokens, want[i])
          << "reply " << i << ", " << c.num_pages << " pages";
    const EngineStats s = idle_stats(*engine);
    EXPECT_EQ(s.preemptions > 0, c.max_sequences == 16);
    EXPECT_EQ(s.cached_tokens > 0, c.prefix_cache);
  }
}

TEST(Engine, SeveralRepliesReadTheirPromptOnce) {
  auto engine = start({.options = {.max_batch_tokens = 50}});
  expect_replies(*engine, random_tokens(140, 5), 4);  // four full pages and 12 tokens
  EXPECT_EQ(idle_stats(*engine).prompt_tokens, 140 + 3 * 1);
}

TEST(Engine, AnEarlierPromptsPagesAreReusedOnlyInItsNamespace) {
  auto engine = start();
  const auto tokens = random_tokens(100, 2);
  EXPECT_EQ(ask(*engine, prompt_of(tokens, 3)).num_cached, 0);
  EXPECT_EQ(ask(*engine, prompt_of(tokens, 3)).num_cached, 96);
  Prompt foreign = prompt_of(tokens, 3);
  foreign.cache_namespace = "someone else";
  EXPECT_EQ(ask(*engine, foreign).num_cached, 0);
}

TEST(Engine, AnEarlierReplyIsKnownOnlyAsAReplyWhereAPromptIsReadApart) {
  auto engine = start({.prompts_apart = true});
  auto tokens = random_tokens(40, 2);
  Prompt prompt = prompt_of(tokens, 60, kGreedy);
  const Outcome first = ask(*engine, prompt);
  EXPECT_EQ(first.tokens, expected_reply(tokens, kGreedy, 60, kVocab, true));
  prompt.tokens.insert(prompt.tokens.end(), first.tokens.begin(), first.tokens.end());
  EXPECT_EQ(ask(*engine, prompt).num_cached, 32);
  prompt.replies = {{40, 99}};  // the last token was never computed
  EXPECT_EQ(ask(*engine, prompt).num_cached, 96);
  prompt.replies = {{40, 200}};
  EXPECT_FALSE(engine->submit(prompt));
  prompt.replies = {{50, 60}, {55, 70}};
  EXPECT_FALSE(engine->submit(prompt));
}

TEST(Engine, ProgressRisesToTheWholePrompt) {
  auto engine = start({.options = {.max_batch_tokens = 40}});
  EXPECT_EQ(ask(*engine, prompt_of(random_tokens(100, 3), 2)).progress,
            (std::vector<int>{40, 80, 100}));
}

TEST(Engine, EndTokensEndAReplyUnlessIgnored) {
  auto engine = start();
  const auto tokens = random_tokens(20, 4);
  const auto reply = expected_reply(tokens, kGreedy, 30, kVocab);
  Prompt p = prompt_of(tokens, 30, kGreedy);
  p.end_tokens = {reply[12]};
  const auto first = std::find(reply.begin(), reply.end(), reply[12]);
  Outcome o = ask(*engine, p);
  EXPECT_EQ(o.finish, FinishReason::kEnd);
  EXPECT_EQ(o.tokens, std::vector<TokenId>(reply.begin(), first));
  p.ignore_eos = true;
  o = ask(*engine, p);
  EXPECT_EQ(o.finish, FinishReason::kLength);
  EXPECT_EQ(o.tokens, reply);
}

TEST(Engine, TheContextIsFilledToItsLastTokenAndNoFurther) {
  auto engine = start({.context = 64});
  EXPECT_EQ(ask(*engine, prompt_of(random_tokens(60, 1), 0)).tokens.size(), 4u);
  EXPECT_EQ(ask(*engine, prompt_of(random_tokens(63, 1), 100)).tokens.size(), 1u);
  const auto refused = engine->submit(prompt_of(random_tokens(64, 1), 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("64 tokens long, the context holds 64"));
}

TEST(Engine, BadPromptsAreRefusedByName) {
  auto engine = start();
  const auto message = [&](const Prompt& p) {
    auto stream = engine->submit(p);
    if (stream) return std::string("accepted");
    EXPECT_EQ(stream.error().code, Code::kInvalidArgument);
    return stream.error().message;
  };
  EXPECT_THAT(message(prompt_of({}, 1)), HasSubstr("no tokens"));
  EXPECT_THAT(message(prompt_of({1, kVocab}, 1)), HasSubstr("token 67 at position 1"));
  EXPECT_THAT(message(prompt_of({-1}, 1)), HasSubstr("token -1 at position 0"));
  EXPECT_THAT(message(prompt_of({1}, -5)), HasSubstr("max_tokens is -5"));
  EXPECT_THAT(message(prompt_of({1}, 1, {.top_p = 2})), HasSubstr("top_p is 2"));
  Prompt p = prompt_of({1}, 1);
  p.stop = {"x"};
  EXPECT_THAT(message(p), HasSubstr("stop texts need a tokenizer"));
  EXPECT_FALSE(engine->submit(prompt_of({1}, 1), 0));
}

TEST(Engine, RequestsBeyondTheQueueAreRefused) {
  std::promise<void> open;
  World world;
  world.options.max_sequences = 1;
  world.options.max_waiting = 1;
  world.before_step = [opened = open.get_future().share()](const Batch&) -> Status {
    opened.wait();
    return Ok{};
  };
  auto engine = start(world);
  auto a = engine->submit(prompt_of({1}, 1));
  auto b = engine->submit(prompt_of({2}, 1));
  auto c = engine->submit(prompt_of({3}, 1));
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, Code::kResourceExhausted);
  open.set_value();
  read(*a), read(*b);
  idle_stats(*engine);
  EXPECT_OK(engine->submit(prompt_of({3}, 1)));
}

TEST(Engine, CancellingEndsAReplyInEveryPhaseAndFreesItsPages) {
  std::atomic<bool> slow{true};
  auto engine = start({.context = 1000,
                       .options = {.max_sequences = 2, .max_batch_tokens = 8},
                       .before_step = [&](const Batch&) -> Status {
                         if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
                         return Ok{};
                       }});
  auto decoding = engine->submit(prompt_of({1}, 0));
  auto reading = engine->submit(prompt_of(random_tokens(900, 1), 0));
  auto waiting = engine->submit(prompt_of({2}, 0));
  auto survivor = engine->submit(prompt_of({5}, 10, kGreedy));
  while (!decoding->next()->token) {
  }
  while (reading->next()->num_prompt_done == 0) {
  }
  waiting->cancel();
  EXPECT_EQ(read(*waiting).finish, FinishReason::kCancelled);
  decoding->cancel();
  EXPECT_EQ(read(*decoding).finish, FinishReason::kCancelled);
  { const Stream dropped = std::move(*reading); }  // destroying cancels
  slow = false;
  EXPECT_EQ(read(*survivor).tokens, expected_reply({5}, kGreedy, 10, kVocab));
  EXPECT_LT(idle_stats(*engine).steps, 900 / 8) << "the long prompt was not read to its end";
}

TEST(Engine, ANanLogitEndsItsOwnReplyOnly) {
  for (const bool in_a_later_chunk : {false, true}) {
    constexpr TokenId kPoison = 66;
    auto engine =
        start({.options = {.max_batch_tokens = in_a_later_chunk ? 16 : 512}, .poison = kPoison});
    std::vector<Stream> streams;
    for (int i = 0; i < 5; ++i) {
      auto tokens = random_tokens(40, static_cast<std::uint64_t>(i));
      if (i == 2) tokens.back() = kPoison;
      SamplingParams no_poison = kGreedy;
      no_poison.logit_bias = {{kPoison, -INFINITY}};
      auto stream = engine->submit(prompt_of(std::move(tokens), 20, no_poison));
      ASSERT_OK(stream);
      streams.push_back(std::move(*stream));
    }
    for (int i = 0; i < 5; ++i) {
      const Outcome o = read(streams[static_cast<std::size_t>(i)]);
      if (i != 2) {
        EXPECT_EQ(o.finish, FinishReason::kLength) << i;
        continue;
      }
      EXPECT_EQ(o.finish, FinishReason::kError);
      ASSERT_TRUE(o.error);
      EXPECT_EQ(o.error->code, Code::kFailed);
      EXPECT_TRUE(o.tokens.empty());
    }
    idle_stats(*engine);
  }
}

TEST(Engine, ABrokenModelEndsAllWithItsError) {
  auto engine = start({.before_step = [](const Batch& batch) -> Status {
    if (batch.positions[0] < 30) return Ok{};
    return error(Code::kCorruptData, "forward pass: 'm.gguf' changed while it was in use");
  }});
  auto a = engine->submit(prompt_of({1}, 0)), b = engine->submit(prompt_of({2}, 0));
  for (auto* stream : {&*a, &*b}) {
    const Outcome o = read(*stream);
    EXPECT_EQ(o.finish, FinishReason::kError);
    ASSERT_TRUE(o.error);
    EXPECT_THAT(o.error->message, HasSubstr("changed while it was in use"));
  }
  idle_stats(*engine);
}

TEST(Engine, DestroyingItEndsOpenStreams) {
  auto engine = start({.before_step = [](const Batch&) -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Ok{};
  }});
  auto stream = engine->submit(prompt_of({1}, 0));
  engine.reset();
  EXPECT_EQ(read(*stream).finish, FinishReason::kCancelled);
  stream->cancel();
  EXPECT_FALSE(stream->next());
}

TEST(Engine, ManyThreadsMaySubmitAtOnce) {
  auto engine = start({.num_pages = 12});
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        auto tokens = random_tokens(1 + 7 * t + i, static_cast<std::uint64_t>(i));
        const auto want = expected_reply(tokens, kGreedy, 9, kVocab);
        if (i % 5 == 4) {
          auto cancelled = engine->submit(prompt_of(tokens, 9, kGreedy));
          continue;
        }
        right += ask(*engine, prompt_of(std::move(tokens), 9, kGreedy)).tokens == want;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 8 * 16);
  idle_stats(*engine);
}

TEST(Engine, SleepsWhenThereIsNothingToDo) {
  auto engine = start();
  ask(*engine, prompt_of({1}, 5));
  const auto cpu_seconds = [] {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
  };
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_LT(cpu_seconds() - before, 0.003);
}

TEST(Engine, AStopTextEndsAReplyWhereverTokensMeet) {
  const Tokenizer tokenizer = letters();
  auto engine = start({.tokenizer = tokenizer});
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto tokens = random_tokens(10, seed);
    const auto reply = expected_reply(tokens, kGreedy, 40, kVocab);
    const std::string text = *tokenizer.decode(reply);
    Prompt p = prompt_of(tokens, 40, kGreedy);
    p.stop = {text.substr(17, 5), "no such text"};
    const Outcome o = ask(*engine, p);
    EXPECT_EQ(o.finish, FinishReason::kStop);
    EXPECT_EQ(o.text, text.substr(0, text.find(p.stop[0])));
    p.stop = {"no such text"};
    EXPECT_EQ(ask(*engine, p).text, text);
  }
}

}  // namespace
}  // namespace pronk
