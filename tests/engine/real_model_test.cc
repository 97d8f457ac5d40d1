// The engine on a real forward pass: what runs beside a reply, and how, changes none of its bits.
#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/reading.h"
#include "formats/model_source.h"
#include "pronk/engine.h"
#include "support.h"
#include "text/json.h"

namespace pronk {
namespace {

const std::filesystem::path kTiny = std::filesystem::path(PRONK_SOURCE_DIR) / "models/tiny.gguf";

std::vector<Prompt> prompts(const Model& model) {
  std::vector<Prompt> all;
  const std::string opening =
      "Once upon a time, there was a little girl who lived in a big house. ";
  for (int i = 0; i < 6; ++i) {
    Prompt p;
    std::string text;
    for (int n = 0; n <= i % 3; ++n) text += opening;
    p.tokens = model.tokenizer().encode(text + std::string(static_cast<std::size_t>(i), 'a'));
    p.max_tokens = 12;
    p.ignore_eos = true;
    p.sampling.temperature = i % 2 == 0 ? 0 : 0.9;
    p.sampling.seed = static_cast<std::uint64_t>(i);
    p.sampling.num_logprobs = 0;
    all.push_back(p);
  }
  return all;
}

// Nearly all: a row beside others has the bits it has alone, so model and draft pick the same.
TEST(RealModel, AModelThatDraftsForItselfIsRight) {
  const char* smollm2 = std::getenv("PRONK_SMOLLM2");
  for (const std::filesystem::path& path :
       {kTiny, std::filesystem::path(smollm2 ? smollm2 : kTiny)}) {
    const auto model = Model::load(path);
    ASSERT_OK(model);
    std::vector<Prompt> asked = prompts(**model);
    std::vector<Reading> plain;
    for (const Speculate speculate : {Speculate::kOff, Speculate::kDraftModel}) {
      const auto engine = Engine::start(*model, {.context = 512,
                                                 .max_sequences = 3,
                                                 .speculate = speculate,
                                                 .draft_model = *model,
                                                 .speculate_always = true});
      ASSERT_OK(engine);
      std::vector<Stream> streams;
      for (Prompt& p : asked) {
        p.max_tokens = 40;
        auto stream = (*engine)->submit(p);
        ASSERT_OK(stream);
        streams.push_back(std::move(*stream));
      }
      for (std::size_t i = 0; i < streams.size(); ++i) {
        const Reading r = reading_of(streams[i]);
        if (speculate == Speculate::kOff)
          plain.push_back(r);
        else
          EXPECT_EQ(r, plain[i]) << path << ", prompt " << i;
      }
      if (speculate == Speculate::kOff) continue;
      const EngineStats s = (*engine)->stats();
      EXPECT_EQ(s.accepted_tokens, s.drafted_tokens) << path;
      EXPECT_GT(s.accepted_tokens, 100);
    }
  }
}

TEST(RealModel, ADraftModelMustReadTheSameTokens) {
  const auto source = read_model(kTiny);
  ASSERT_OK(source);
  std::const_pointer_cast<ModelSource>(*source)->tokenizer.tokens[0] = "<|another|>";
  const auto model = Model::load(kTiny), draft = Model::from_source(*source);
  ASSERT_OK(model);
  ASSERT_OK(draft);
  const auto engine =
      Engine::start(*model, {.speculate = Speculate::kDraftModel, .draft_model = *draft});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::kInvalidArgument);
  EXPECT_NE(engine.error().message.find("token 0 as"), std::string::npos) << engine.error().message;
  EXPECT_FALSE(Engine::start(*model, {.speculate = Speculate::kDraftModel}));
}

// stories260K's gold text was made by llama2.c's own program.
TEST(RealModel, Stories260kTellsItsGoldStory) {
  PRONK_NEEDS_SHARED(folder, "models/stories260K");
  const auto text = read_file(folder / "gold_stories260K.json");
  ASSERT_OK(text);
  const auto gold = parse_json(*text);
  ASSERT_OK(gold);
  const auto ids = [&](std::string_view key) {
    std::vector<TokenId> tokens;
    for (const auto& id : *find_array(*gold, key))
      tokens.push_back(static_cast<TokenId>(id.as_int64()));
    return tokens;
  };
  LoadOptions options;
  options.precision = Precision::kFp32;
  const auto model = Model::load(folder / "stories260K.gguf", options);
  ASSERT_OK(model);
  const auto engine = Engine::start(*model, {.max_sequences = 1});
  ASSERT_OK(engine);
  const std::vector<TokenId> want = ids("greedy_ids");
  Prompt p;
  p.tokens = ids("prompt_ids");
  p.max_tokens = static_cast<int>(want.size());
  p.ignore_eos = true;
  p.sampling.temperature = 0;
  auto stream = (*engine)->submit(p);
  ASSERT_OK(stream);
  EXPECT_EQ(reading_of(*stream).tokens, want);
}

TEST(RealModel, AContextBeyondTheModelsIsRefusedWithBothNumbers) {
  const auto model = Model::load(kTiny);
  ASSERT_OK(model);
  const auto engine = Engine::start(*model, {.context = 10000000});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::kInvalidArgument);
  EXPECT_NE(engine.error().message.find("10000000"), std::string::npos);
}

}  // namespace
}  // namespace pronk
