#include "pronk/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "support.h"

namespace pronk {
namespace {

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto model =
        Model::load(std::filesystem::path(PRONK_SOURCE_DIR) / "models/tiny.gguf", {});
    ASSERT_OK(model);
    auto engine = Engine::start(*model, {.num_threads = 1, .max_sequences = 1});
    ASSERT_OK(engine);
    engine_ = std::move(*engine);
  }

  Session session(ChatOptions options = {}) {
    options.max_tokens = 8;
    if (!options.sampling) options.sampling = SamplingParams{.temperature = 0};
    auto made = Session::create(*engine_, std::move(options));
    EXPECT_OK(made);
    return std::move(*made);
  }

  std::filesystem::path file(const std::string& name) {
    return std::filesystem::temp_directory_path() /
           ("pronk_session_" + std::to_string(::getpid()) + "_" + name);
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(SessionTest, KeepsWhatWasSaidAndStreamsTheReply) {
  Session chat = session();
  std::string streamed;
  const auto reply = chat.say({.role = "user", .content = "Hi"},
                              [&](std::string_view delta) { streamed += delta; });
  ASSERT_OK(reply);
  EXPECT_EQ(reply->text, streamed);
  EXPECT_GT(reply->num_prompt_tokens, 0);
  EXPECT_LE(reply->tokens.size(), 8u);
  ASSERT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1].role, "assistant");
  EXPECT_EQ(chat.messages()[1].content, reply->text);
  const auto second = chat.say({.role = "user", .content = "More"});
  ASSERT_OK(second);
  EXPECT_GT(second->num_prompt_tokens, reply->num_prompt_tokens);
  chat.clear();
  EXPECT_TRUE(chat.messages().empty());
}

TEST_F(SessionTest, SaysWhichTokensOfAPromptWereReplies) {
  Session chat = session();
  const auto first = chat.prompt_for({.role = "user", .content = "Hi"});
  ASSERT_OK(first);
  EXPECT_TRUE(first->replies.empty());
  chat.keep({.role = "user", .content = "Hi"}, "Good day.");
  const auto second = chat.prompt_for({.role = "user", .content = "More"});
  ASSERT_OK(second);
  ASSERT_EQ(second->replies.size(), 1u);
  const auto [begin, end] = second->replies[0];
  EXPECT_EQ(begin, static_cast<int>(first->tokens.size()));
  const std::vector<TokenId> said(second->tokens.begin() + begin, second->tokens.begin() + end);
  EXPECT_EQ(*engine_->model().tokenizer().decode(said), "Good day.");
  EXPECT_EQ(chat.prompt_for({.role = "user", .content = "Other"})->replies, second->replies)
      << "asked in another way";
  chat.clear();
  EXPECT_TRUE(chat.prompt_for({.role = "user", .content = "Bye"})->replies.empty());
}

TEST_F(SessionTest, ASavedConversationGoesOnAsIfItHadNotStopped) {
  Session first = session({.system = "Be brief."});
  ASSERT_OK(first.say({.role = "user", .content = "Hi"}));
  const auto path = file("saved.json");
  ASSERT_OK(first.save(path));
  Session second = session();
  ASSERT_OK(second.load(path));
  EXPECT_EQ(second.options().system, "Be brief.");
  const auto a = first.say({.role = "user", .content = "More"});
  const auto b = second.say({.role = "user", .content = "More"});
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_EQ(a->text, b->text);
  std::filesystem::remove(path);
}

TEST_F(SessionTest, ADamagedFileChangesNothing) {
  Session chat = session();
  ASSERT_OK(chat.say({.role = "user", .content = "Hi"}));
  const auto path = file("good.json");
  ASSERT_OK(chat.save(path));
  const auto whole = read_file(path);
  ASSERT_OK(whole);
  const auto cut = file("cut.json");
  for (std::size_t size = 0; size + 1 < whole->size(); ++size) {
    ASSERT_OK(write_file(cut, whole->substr(0, size)));
    EXPECT_FALSE(chat.load(cut)) << size;
  }
  for (const char* text :
       {"{}", "[]", R"({"format": "pronk session", "version": 2, "system": "", "messages": []})",
        R"({"format": "pronk session", "version": 1, "system": "", "messages": [1]})",
        R"({"format": "pronk session", "version": 1, "messages": []})"}) {
    ASSERT_OK(write_file(cut, text));
    EXPECT_FALSE(chat.load(cut)) << text;
  }
  EXPECT_EQ(chat.messages().size(), 2u);
  std::filesystem::remove(path);
  std::filesystem::remove(cut);
}

TEST_F(SessionTest, AnErrorLeavesTheConversationAsItWas) {
  Session chat = session();
  EXPECT_FALSE(chat.say({.role = "user", .content = "x", .tool_calls_json = "{"}));
  chat.options().sampling = SamplingParams{.top_p = 7};
  EXPECT_FALSE(chat.say({.role = "user", .content = "x"}));
  EXPECT_TRUE(chat.messages().empty());
}

TEST_F(SessionTest, ACancelledReplyEndsAndIsKeptAsFarAsItCame) {
  Session chat = session();
  const auto reply =
      chat.say({.role = "user", .content = "Once upon"}, [&](std::string_view) { chat.cancel(); });
  ASSERT_OK(reply);
  EXPECT_EQ(chat.messages().size(), 2u);
  EXPECT_EQ(chat.messages()[1].content, reply->text);
}

TEST_F(SessionTest, RefusesOptionsThatAreNotJson) {
  EXPECT_FALSE(Session::create(*engine_, {.tools_json = "{}"}));
  EXPECT_FALSE(Session::create(*engine_, {.tools_json = "["}));
  EXPECT_FALSE(Session::create(*engine_, {.template_kwargs_json = "[]"}));
}

}  // namespace
}  // namespace pronk
