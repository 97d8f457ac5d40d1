#include "chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "formats/model_source.h"
#include "support.h"

namespace pronk {
namespace {

constexpr std::int64_t kNow = 1721988000;  // 26 Jul 2024

Tokenizer tokenizer_named(const std::string& file) {
  auto tokenizer = Tokenizer::load(test_data("tokenizer/" + file));
  EXPECT_OK(tokenizer);
  return *tokenizer;
}

// The same vocabulary with Llama 3's header token in place of another special one.
Tokenizer tokenizer_with_headers() {
  TokenizerSource source;
  source.kind = TokenizerSource::Kind::kHuggingFaceJson;
  source.bytes = *read_file(test_data("tokenizer/llama3.json"));
  const std::string from = "<|end_of_text|>", to = "<|start_header_id|>";
  for (std::size_t i = 0; (i = source.bytes.find(from, i)) != std::string::npos; i += to.size())
    source.bytes.replace(i, from.size(), to);
  auto tokenizer = Tokenizer::from_source(source);
  EXPECT_OK(tokenizer);
  return *tokenizer;
}

json::object conversation(const char* content) {
  return {{"messages", json::array{json::object{{"role", "user"}, {"content", content}}}},
          {"add_generation_prompt", true}};
}

TEST(ChatTemplate, TakesToolUseWithToolsElseDefaultElseTheFirst) {
  const Tokenizer tokenizer = tokenizer_named("llama3.json");
  const std::vector<ChatTemplateSource> both = {{"rag", "R"}, {"tool_use", "T"}, {"default", "D"}};
  const auto name = [&](const std::vector<ChatTemplateSource>& all, bool with_tools) {
    const auto chosen = ChatTemplate::choose(all, tokenizer, with_tools);
    return chosen ? std::string(chosen->name()) : chosen.error().message;
  };
  EXPECT_EQ(name(both, true), "tool_use");
  EXPECT_EQ(name(both, false), "default");
  EXPECT_EQ(name({{"rag", "R"}}, true), "rag");
  EXPECT_EQ(name({{"default", "a\n{% x %}"}}, false),
            "chat template 'default': line 2: unknown or unsupported tag 'x'");
}

TEST(ChatTemplate, SpecialTokensChooseTheFormOfAModelWithoutOne) {
  const auto llama3 = ChatTemplate::choose({}, tokenizer_with_headers(), false);
  ASSERT_OK(llama3);
  EXPECT_TRUE(llama3->is_built_in());
  EXPECT_EQ(llama3->name(), "built-in Llama 3");
  const auto rendered = llama3->render(conversation("Hi"), kNow);
  ASSERT_OK(rendered);
  EXPECT_THAT(rendered->text,
              testing::EndsWith("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                                "<|start_header_id|>assistant<|end_header_id|>\n\n"));
  const auto chatml = ChatTemplate::choose({}, tokenizer_named("smollm.json"), false);
  ASSERT_OK(chatml);
  EXPECT_EQ(chatml->name(), "built-in ChatML");
  const auto llama2 = ChatTemplate::choose({}, tokenizer_named("metaspace.json"), false);
  ASSERT_OK(llama2);
  EXPECT_EQ(llama2->name(), "built-in Llama 2");
}

TEST(ChatTemplate, ASpecialTokenInAMessageStaysText) {
  const Tokenizer tokenizer = tokenizer_with_headers();
  const auto chat_template = ChatTemplate::choose({}, tokenizer, false);
  ASSERT_OK(chat_template);
  const TokenId eot = *tokenizer.find_special("<|eot_id|>");
  const auto count = [&](const char* content) {
    const auto tokens = chat_template->prompt(conversation(content), kNow);
    EXPECT_OK(tokens);
    return std::count(tokens->begin(), tokens->end(), eot);
  };
  EXPECT_EQ(count("plain"), 1);
  EXPECT_EQ(count("<|eot_id|>"), 1);
  EXPECT_EQ(count("a<|eot_id|><|eot_id|>b"), 1);
}

TEST(ChatTemplate, BosComesOnceWhoeverWritesIt) {
  const Tokenizer tokenizer = tokenizer_named("llama3.json");
  ASSERT_TRUE(tokenizer.bos());
  for (const char* source : {"{{ bos_token }}x", "x"}) {
    const auto chat_template = ChatTemplate::choose({{"default", source}}, tokenizer, false);
    ASSERT_OK(chat_template);
    const auto tokens = chat_template->prompt({}, kNow);
    ASSERT_OK(tokens);
    const bool first = tokens->front() == *tokenizer.bos();
    EXPECT_EQ(first, tokenizer.adds_bos() || source[0] == '{');
    EXPECT_EQ(std::count(tokens->begin(), tokens->end(), *tokenizer.bos()), first ? 1 : 0);
  }
}

TEST(ChatTemplate, TellsTodayToATemplateThatOnlyKnowsDateString) {
  const Tokenizer tokenizer = tokenizer_named("llama3.json");
  const auto text = [&](const char* source, json::object variables) {
    const auto chat_template = ChatTemplate::choose({{"default", source}}, tokenizer, false);
    return chat_template->render(std::move(variables), kNow)->text;
  };
  EXPECT_EQ(text("{{ date_string }}", {}), "26 Jul 2024");
  EXPECT_EQ(text("{{ date_string }}", {{"date_string", "1 Jan 2000"}}), "1 Jan 2000");
  EXPECT_EQ(text("{{ strftime_now('%Y') if date_string is not defined }}", {}), "2024");
}

TEST(ChatTemplate, ARaisingTemplatePassesItsMessageOn) {
  const auto chat_template = ChatTemplate::choose({{"default", "{{ raise_exception('no') }}"}},
                                                  tokenizer_named("llama3.json"), false);
  const auto rendered = chat_template->render({}, kNow);
  ASSERT_FALSE(rendered);
  EXPECT_EQ(rendered.error().code, Code::kFailed);
  EXPECT_EQ(rendered.error().message, "chat template: no");
}

}  // namespace
}  // namespace pronk
