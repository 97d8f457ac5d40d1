// Files that others made.
#include "formats/expect_equal.h"
#include "formats/model_source.h"
#include "support.h"

namespace pronk {
namespace {

TEST(RealFiles, Stories260KIsTheSameFromBinAndGguf) {
  PRONK_NEEDS_SHARED(folder, "models/stories260K");
  const auto bin = read_model(folder / "stories260K.bin");
  const auto gguf = read_model(folder / "stories260K.gguf");
  ASSERT_OK(bin);
  ASSERT_OK(gguf);
  EXPECT_EQ((*bin)->config.ffn_dim, 172);
  EXPECT_EQ((*bin)->tokenizer.kind, TokenizerSource::Kind::kLlama2c);  // tok512.bin
  ASSERT_EQ((*bin)->tensors.size(), (*gguf)->tensors.size());
  for (const auto& [name, a] : (*bin)->tensors) {
    const TensorSource& b = (*gguf)->tensors.at(name);
    ASSERT_EQ(a.rows, b.rows) << name;
    std::vector<float> x(static_cast<std::size_t>(a.columns)),
        y(static_cast<std::size_t>(b.columns));
    for (std::int64_t r = 0; r < a.rows; ++r) {
      a.read_row(r, x.data());
      b.read_row(r, y.data());
      ASSERT_EQ(x, y) << name << " row " << r;
    }
  }
}

TEST(RealFiles, SmolLM2) {
  const char* path = std::getenv("PRONK_SMOLLM2");
  if (!path) GTEST_SKIP() << "needs the path of SmolLM2's GGUF in PRONK_SMOLLM2";
  const auto source = read_model(path);
  ASSERT_OK(source);
  const LlamaConfig& c = (*source)->config;
  EXPECT_EQ(c.num_layers, 30);
  EXPECT_EQ(c.num_heads, 9);
  EXPECT_EQ(c.num_kv_heads, 3);
  EXPECT_EQ(c.norm_eps, 1e-5);
  EXPECT_EQ(c.rope.theta, 100000);
  EXPECT_TRUE(c.tied_output);
  EXPECT_EQ((*source)->tensors.size(), 272u);
  EXPECT_EQ((*source)->tokenizer.gguf_pre, "smollm");
  EXPECT_EQ((*source)->licence, "apache-2.0");
}

TEST(RealFiles, AVocabularyWithoutWeightsIsATokenizer) {
  PRONK_NEEDS_SHARED(path, "tokenizer/llama2/ggml-vocab-llama-spm.gguf");
  const auto source = read_model(path, {.weights = false});
  ASSERT_OK(source);
  EXPECT_EQ((*source)->config.vocab_size, 32000);
  EXPECT_FALSE(read_model(path));
  const auto tokenizer = read_tokenizer(path);
  ASSERT_OK(tokenizer);
  EXPECT_EQ(tokenizer->tokens.size(), 32000u);
}

TEST(RealFiles, TokenizerFilesAreKnownByTheirBytes) {
  PRONK_NEEDS_SHARED(folder, "tokenizer");
  const auto kind = [&](const char* name) {
    const auto source = read_tokenizer(folder / name);
    EXPECT_OK(source);
    return source ? source->kind : TokenizerSource::Kind::kNone;
  };
  EXPECT_EQ(kind("tokenizer.model"), TokenizerSource::Kind::kTiktoken);
  EXPECT_EQ(kind("llama31_tokenizer.json"), TokenizerSource::Kind::kHuggingFaceJson);
  EXPECT_EQ(kind("llama2/tokenizer.model"), TokenizerSource::Kind::kSentencePiece);
  EXPECT_EQ(kind("llama2/tokenizer.bin"), TokenizerSource::Kind::kLlama2c);
}

}  // namespace
}  // namespace pronk
