// The exactness matrix: how a reply is computed changes none of its bits. One prompt set is read
// alone, whole, on one thread, without a cache or guesses; then in every combination of threads,
// sequences together, tokens a step, prefix cache and drafters, for each precision and cache type.
// CTest runs this file once for every instruction set (tests/CMakeLists.txt).
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/reading.h"
#include "kernels/isa.h"
#include "pronk/engine.h"
#include "support.h"

namespace pronk {
namespace {

struct Numbers {
  const char* name;
  Precision precision;
  CacheType cache_type;
};
constexpr Numbers kNumbers[] = {{"fp32", Precision::kFp32, CacheType::kBF16},
                                {"high_bf16", Precision::kHigh, CacheType::kBF16},
                                {"high_int8", Precision::kHigh, CacheType::kInt8},
                                {"fast_bf16", Precision::kFast, CacheType::kBF16},
                                {"fast_int8", Precision::kFast, CacheType::kInt8}};

struct Way {
  int num_threads, num_sequences, max_batch_tokens;
  bool prefix_cache;
  Speculate speculate;
};

std::string to_string(const Way& w) {
  constexpr const char* kDrafters[] = {"none", "n-grams", "a model"};
  return std::to_string(w.num_threads) + " threads, " + std::to_string(w.num_sequences) +
         " sequences, " + std::to_string(w.max_batch_tokens) + " tokens a step, cache " +
         (w.prefix_cache ? "on" : "off") + ", drafts by " +
         kDrafters[static_cast<int>(w.speculate)];
}

// Every combination; of the scalar kernels, which take minutes, one in sixteen, and with
// PRONK_FEW_WAYS set, as for an emulated CPU.
std::vector<Way> all_ways() {
  std::vector<Way> ways;
  for (const int num_threads : {1, 2})
    for (const int num_sequences : {1, 2, 6, 33})
      for (const int max_batch_tokens : {33, 512})
        for (const bool prefix_cache : {false, true})
          for (const Speculate speculate :
               {Speculate::kOff, Speculate::kNgram, Speculate::kDraftModel})
            ways.push_back({num_threads, num_sequences, max_batch_tokens, prefix_cache, speculate});
  if (kernels::table().name == std::string_view("scalar") || std::getenv("PRONK_FEW_WAYS"))
    std::erase_if(ways, [](const Way& w) {
      return w.num_threads != 2 || w.num_sequences != 6 || w.max_batch_tokens != 33;
    });
  return ways;
}

// 33 prompts of 1 to 90 tokens, some of which repeat themselves; greedy and sampled.
std::vector<Prompt> prompts(const Model& model) {
  const std::string opening =
      "Once upon a time, there was a little girl who lived in a big house. ";
  std::vector<Prompt> all;
  for (int i = 0; i < 33; ++i) {
    Prompt p;
    std::string text;
    for (int n = 3; n > i % 4; --n) text += opening;
    p.tokens = model.tokenizer().encode(std::string(static_cast<std::size_t>(i), 'a') + text +
                                        "Once upon a time, there");
    p.max_tokens = 6;
    p.ignore_eos = true;
    p.sampling.temperature = i % 2 == 0 ? 0 : 0.9;
    p.sampling.seed = static_cast<std::uint64_t>(i);
    p.sampling.num_logprobs = 5;
    all.push_back(p);
  }
  return all;
}

// As many replies as sequences run together, all asked for at once.
std::vector<Reading> read_all(Engine& engine, std::span<const Prompt> asked) {
  std::vector<Stream> streams;
  for (const Prompt& p : asked) {
    auto stream = engine.submit(p);
    EXPECT_OK(stream);
    streams.push_back(std::move(*stream));
  }
  std::vector<Reading> readings;
  for (Stream& stream : streams) readings.push_back(reading_of(stream));
  return readings;
}

class Exactness : public testing::TestWithParam<Numbers> {};

TEST_P(Exactness, NoWayOfComputingChangesABit) {
  if (!kernels::check_isa_choice()) GTEST_SKIP() << "this CPU lacks what PRONK_ISA asks for";
  const Numbers& numbers = GetParam();
  const auto model = Model::load(std::filesystem::path(PRONK_SOURCE_DIR) / "models/tiny.gguf",
                                 {.precision = numbers.precision});
  ASSERT_OK(model);
  const std::vector<Prompt> asked = prompts(**model);
  const auto start = [&](const Way& w) {
    auto engine = Engine::start(*model, {.num_threads = w.num_threads,
                                         .context = 256,
                                         .max_sequences = w.num_sequences,
                                         .max_batch_tokens = w.max_batch_tokens,
                                         .prefix_cache = w.prefix_cache,
                                         .cache_type = numbers.cache_type,
                                         .speculate = w.speculate,
                                         .draft_model = *model,
                                         .speculate_always = true});
    EXPECT_OK(engine);
    return std::move(*engine);
  };
  std::vector<Reading> alone;
  const auto plain = start({1, 1, 512, false, Speculate::kOff});
  for (const Prompt& p : asked) alone.push_back(read_all(*plain, {&p, 1}).front());
  for (const Way& w : all_ways()) {
    const auto engine = start(w);
    const std::size_t count = std::min(asked.size(), 2 * static_cast<std::size_t>(w.num_sequences));
    for (int round = 0; round < 2; ++round) {  // the second finds its prompts in the cache
      const std::vector<Reading> found = read_all(*engine, std::span(asked).first(count));
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(found[i], alone[i])
            << "prompt " << i << ", round " << round << ": " << to_string(w);
    }
    EXPECT_EQ(engine->stats().cached_tokens > 0, w.prefix_cache) << to_string(w);
    // With a token a step for each sequence a draft model may not have read any text to its end.
    if (w.speculate != Speculate::kDraftModel || w.num_sequences < w.max_batch_tokens) {
      EXPECT_EQ(engine->stats().drafted_tokens > 0, w.speculate != Speculate::kOff) << to_string(w);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Numbers, Exactness, testing::ValuesIn(kNumbers),
                         [](const auto& i) { return std::string(i.param.name); });

}  // namespace
}  // namespace pronk
