// Ids against what tiktoken, tokenizers and sentencepiece gave (tools/make_tokenizer_goldens.py),
// and vectors of the developers' shared data.
#include <gmock/gmock.h>

#include <map>
#include <sstream>

#include "text/json.h"
#include "tokenizer_sources.h"

namespace pronk {
namespace {

using testing::ElementsAre;

struct Vector {
  std::string model, text;
  std::vector<TokenId> ids;
};

std::vector<Vector> read_vectors(const std::filesystem::path& path) {
  std::vector<Vector> vectors;
  std::istringstream lines(file_bytes(path));
  for (std::string line; std::getline(lines, line);) {
    const json::value v = json::parse(line);
    const json::string* model = find_string(v, "model");
    Vector vector{model ? std::string(*model) : "", std::string(*find_string(v, "text")), {}};
    for (const json::value& id : *find_array(v, "ids"))
      vector.ids.push_back(static_cast<TokenId>(id.as_int64()));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

TEST(Goldens, SmallTokenizersGiveTheOraclesIds) {
  std::map<std::string, Tokenizer> tokenizers;
  const std::vector<Vector> vectors = read_vectors(test_data("tokenizer/goldens.jsonl"));
  ASSERT_GT(vectors.size(), 300u);
  for (const Vector& v : vectors) {
    if (!tokenizers.contains(v.model)) tokenizers.emplace(v.model, data_tokenizer(v.model));
    EXPECT_EQ(tokenizers.at(v.model).encode(v.text), v.ids) << v.model << ": " << v.text;
  }
}

// What the vocabularies can spell comes back: all but unigram.model and texts with a literal "▁".
TEST(Goldens, DecodingGivesTheTextBack) {
  for (const Vector& v : read_vectors(test_data("tokenizer/goldens.jsonl"))) {
    const bool byte_level = v.model == "llama3.tiktoken" || v.model == "llama3.json";
    if (!byte_level && (v.model != "bpe.model" || v.text.find("▁") != std::string::npos)) continue;
    const Tokenizer tokenizer = data_tokenizer(v.model);
    const Result<std::string> text = tokenizer.decode(v.ids);
    ASSERT_OK(text);
    EXPECT_EQ(*text, v.text) << v.model;
  }
}

void expect_vectors(const Tokenizer& tokenizer, const std::filesystem::path& path) {
  const std::vector<Vector> vectors = read_vectors(path);
  EXPECT_GT(vectors.size(), 20u);
  for (const Vector& v : vectors) EXPECT_EQ(tokenizer.encode(v.text), v.ids) << v.text;
}

Tokenizer load(const std::filesystem::path& path) {
  Result<Tokenizer> tokenizer = Tokenizer::load(path);
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return *std::move(tokenizer);
}

TEST(Goldens, Llama3FilesGiveLlamaCppsVectors) {
  PRONK_NEEDS_SHARED(folder, "tokenizer");
  for (const char* file : {"tokenizer.model", "llama31_tokenizer.json"}) {
    const Tokenizer tokenizer = load(folder / file);
    expect_vectors(tokenizer, folder / "llama3_token_vectors_llamacpp.jsonl");
    EXPECT_EQ(tokenizer.vocab_size(), 128256);
    EXPECT_EQ(tokenizer.bos(), 128000);
    EXPECT_TRUE(tokenizer.adds_bos());
    EXPECT_THAT(tokenizer.end_tokens(), ElementsAre(128001, 128008, 128009));
    EXPECT_EQ(tokenizer.find_special("<|eot_id|>"), 128009);
    EXPECT_EQ(tokenizer.find_special("<|reserved_special_token_0|>"), 128002);
    EXPECT_TRUE(tokenizer.is_special(128255));
    EXPECT_FALSE(tokenizer.is_special(127999));
  }
}

// Meta's own tests of its tokenizer, and a token that no merge reaches.
TEST(Goldens, Llama3GivesMetasVectors) {
  PRONK_NEEDS_SHARED(path, "tokenizer/tokenizer.model");
  const Tokenizer tokenizer = load(path);
  EXPECT_THAT(tokenizer.encode("This is a test sentence."),
              ElementsAre(2028, 374, 264, 1296, 11914, 13));
  EXPECT_THAT(tokenizer.encode("<|start_header_id|>user<|end_header_id|>\n\nThis is a test "
                               "sentence.<|eot_id|>",
                               Specials::kRecognise),
              ElementsAre(128006, 882, 128007, 271, 2028, 374, 264, 1296, 11914, 13, 128009));
  EXPECT_THAT(tokenizer.encode("ipython"), ElementsAre(23799, 4690));
  EXPECT_THAT(tokenizer.encode(" việc"), ElementsAre(100769));
}

TEST(Goldens, Llama2FilesGiveLlamaCppsVectors) {
  PRONK_NEEDS_SHARED(folder, "tokenizer");
  for (const char* file : {"tokenizer.model", "tokenizer.bin", "ggml-vocab-llama-spm.gguf"}) {
    const Tokenizer tokenizer = load(folder / "llama2" / file);
    expect_vectors(tokenizer, folder / "llama2_spm_token_vectors.jsonl");
    EXPECT_EQ(tokenizer.bos(), 1);
    EXPECT_THAT(tokenizer.end_tokens(), ElementsAre(2));
    EXPECT_TRUE(tokenizer.adds_bos());
  }
}

TEST(Goldens, StoriesTokenizersOfBothFilesAgree) {
  PRONK_NEEDS_SHARED(folder, "models/stories260K");
  const Tokenizer bin = load(folder / "tok512.bin"), gguf = load(folder / "stories260K.gguf");
  const std::string text = "Once upon a time, there was a little girl named Lily. Äé 東京\n";
  EXPECT_EQ(bin.encode(text), gguf.encode(text));
  EXPECT_EQ(*bin.decode(bin.encode(text)), text);
}

}  // namespace
}  // namespace pronk
