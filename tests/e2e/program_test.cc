// What holds for every verb: usage errors, exit codes, colours, the store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "e2e/process.h"
#include "support.h"
#include "text/json.h"

namespace pronk::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Program, UsageErrorsAreExitTwo) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"--frobnicate"},
                                             {"list", "--jsno"},
                                             {"run"},
                                             {"list", "extra"},
                                             {"completion", "tcsh"},
                                             {"help", "nothing"},
                                             {"bench", "m", "-n", "x"}}) {
    const Outcome outcome = run_pronk(args);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, Not(IsEmpty()));
  }
  EXPECT_THAT(run_pronk({"lsit"}).err, HasSubstr("did you mean 'list'?"));
  EXPECT_THAT(run_pronk({"list", "--jsno"}).err, HasSubstr("did you mean '--json'?"));
}

TEST(Program, AClosedStdoutIsAnErrorAndAClosedStderrIsNone) {
  const Outcome no_stdout =
      run_pronk({"help"}, "", {.environment = {}, .stdout_path = {}, .closed_fd = STDOUT_FILENO});
  EXPECT_EQ(no_stdout.status, 1);
  EXPECT_THAT(no_stdout.err, HasSubstr("Bad file descriptor"));
  const Outcome no_stderr =
      run_pronk({"help"}, "", {.environment = {}, .stdout_path = {}, .closed_fd = STDERR_FILENO});
  EXPECT_EQ(no_stderr.status, 0);
  EXPECT_THAT(no_stderr.out, HasSubstr("pronk"));
}

TEST(Program, HelpIsTheResult) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"-h"},
                                             {"help"},
                                             {"help", "run"},
                                             {"run", "--help"},
                                             {"help", "exit-codes"}}) {
    const Outcome outcome = run_pronk(args);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.out, Not(IsEmpty()));
    EXPECT_THAT(outcome.err, IsEmpty());
  }
}

TEST(Program, AMissingModelIsExitFour) {
  for (const char* verb : {"run", "show", "tokenize", "plan", "bench"}) {
    const Outcome outcome = run_pronk({verb, "/nowhere/model.gguf"}, "text");
    EXPECT_EQ(outcome.status, 4) << verb << ": " << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("/nowhere/model.gguf"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  const Outcome near = run_pronk({"show", "smollm2:135n"});
  EXPECT_EQ(near.status, 4) << near.err;
  EXPECT_THAT(near.err, HasSubstr("smollm2:135m"));
}

TEST(Program, AnUnknownInstructionSetIsExitTwoWithTheList) {
  const Outcome outcome = run_pronk({"list"}, "", {.environment = {{"PRONK_ISA", "mmx"}}});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("mmx"));
  EXPECT_THAT(outcome.err, HasSubstr("scalar"));
}

TEST(Program, ColorsAreForTerminals) {
  EXPECT_THAT(run_pronk({"frobnicate"}).err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run_pronk({"frobnicate"}, "", {.environment = {{"CLICOLOR_FORCE", "1"}}}).err,
              HasSubstr("\x1b["));
  EXPECT_THAT(
      run_pronk({"frobnicate"}, "", {.environment = {{"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}})
          .err,
      Not(HasSubstr("\x1b")));
}

TEST(Program, ListingsAreJsonWhenAsked) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"list", "--json"},
                                             {"list", "--known", "--json"},
                                             {"doctor", "--json"},
                                             {"version", "--json"}}) {
    const Outcome outcome = run_pronk(args);
    EXPECT_EQ(outcome.status, 0) << args[0] << outcome.err;
    EXPECT_OK(parse_json(outcome.out));
  }
}

TEST(Program, TheStoreLinksCopiesAndRemoves) {
  const std::filesystem::path model = std::filesystem::path(PRONK_SOURCE_DIR) / "models/tiny.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "needs models/tiny.gguf";
  const Outcome pulled = run_pronk({"pull", model.string(), "--json"});
  ASSERT_EQ(pulled.status, 0) << pulled.err;
  const Result<json::value> stored = parse_json(pulled.out);
  ASSERT_OK(stored);
  const std::string name(*find_string(*stored, "name"));
  EXPECT_THAT(run_pronk({"list", "-q"}).out, HasSubstr(name + "\n"));
  EXPECT_EQ(run_pronk({"cp", name, "second"}).status, 0);
  EXPECT_EQ(run_pronk({"show", "second", "--json"}).status, 0);
  EXPECT_EQ(run_pronk({"rm", name, "second"}).status, 0);
  EXPECT_THAT(run_pronk({"list", "-q"}).out, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(model)) << "a linked file stays";
  EXPECT_EQ(run_pronk({"rm", "second"}).status, 4);
}

}  // namespace
}  // namespace pronk::e2e
