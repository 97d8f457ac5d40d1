#include "cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/file.h"
#include "cli/completion.h"
#include "cli/verbs.h"
#include "support.h"

namespace pronk::cli {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int kScreenLines = 24;
constexpr std::size_t kScreenColumns = 80;

void expect_fits_a_screen(const std::string& page) {
  EXPECT_LE(std::count(page.begin(), page.end(), '\n'), kScreenLines) << page;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) EXPECT_LE(line.size(), kScreenColumns) << line;
}

TEST(Help, EveryPageFitsAScreen) {
  expect_fits_a_screen(overview());
  expect_fits_a_screen(exit_code_help());
  expect_fits_a_screen(environment_help());
  for (const Verb* verb : all_verbs()) {
    SCOPED_TRACE(verb->name);
    expect_fits_a_screen(verb_help(*verb, HelpDetail::kBrief));
  }
}

TEST(Help, TheFullPageNamesEveryOption) {
  for (const Verb* verb : all_verbs()) {
    const std::string page = verb_help(*verb, HelpDetail::kAll);
    for (const OptionGroup& group : verb->groups)
      for (const OptionSpec& option : group.options) {
        EXPECT_THAT(page, HasSubstr("--" + std::string(option.name)));
        std::istringstream words{std::string(option.help)};
        for (std::string word; words >> word;) EXPECT_THAT(page, HasSubstr(word));
      }
  }
}

TEST(Help, ExitCodesOfEveryErrorAreExplained) {
  const std::string page = exit_code_help();
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code)
    EXPECT_THAT(page, HasSubstr("\n  " + std::to_string(exit_code(static_cast<Code>(code))) + " "));
}

TEST(Docs, CliPageHoldsTheReference) {
  const Result<std::string> page =
      read_file(std::filesystem::path(PRONK_SOURCE_DIR) / "docs" / "cli.md");
  ASSERT_OK(page);
  EXPECT_NE(page->find(markdown_reference()), std::string::npos)
      << "docs/cli.md is not what the option tables say; replace what stands between its two marks "
         "with the output of 'pronk help --markdown'";
}

// The exit status of `shell -n` on the script; -1 when the shell is not installed.
int syntax_check(const std::string& shell, const std::string& script) {
  if (std::system(("command -v " + shell + " >/dev/null").c_str()) != 0) return -1;
  FILE* pipe = ::popen((shell + " -n").c_str(), "w");
  if (!pipe) return -2;
  std::fwrite(script.data(), 1, script.size(), pipe);
  return ::pclose(pipe);
}

TEST(Completion, ScriptsAreSoundToTheirShells) {
  EXPECT_EQ(syntax_check("bash", bash_completion()), 0) << "bash is always there";
  constexpr int kNoShell = -1;
  EXPECT_THAT(syntax_check("zsh", zsh_completion()), AnyOf(0, kNoShell));
  EXPECT_THAT(syntax_check("fish", fish_completion()), AnyOf(0, kNoShell));
}

TEST(Completion, ScriptsKnowEveryVerbAndOption) {
  for (const std::string& script : {bash_completion(), zsh_completion(), fish_completion()})
    for (const Verb* verb : all_verbs()) {
      EXPECT_THAT(script, HasSubstr(std::string(verb->name)));
      for (const OptionGroup& group : verb->groups)
        for (const OptionSpec& option : group.options)
          EXPECT_THAT(script, HasSubstr(std::string(option.name)));
    }
}

// What bash offers for a command line.
std::string bash_offers(const std::string& words, int index) {
  const std::string program = bash_completion() + "\nCOMP_WORDS=(" + words +
                              "); COMP_CWORD=" + std::to_string(index) +
                              "; _pronk; echo \"${COMPREPLY[*]}\"\n";
  const std::string path = std::string(::testing::TempDir()) + "completion.bash";
  EXPECT_OK(write_file(path, program));
  FILE* pipe = ::popen(("bash --norc " + path).c_str(), "r");
  std::string text;
  for (int c; pipe && (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  if (pipe) ::pclose(pipe);
  std::filesystem::remove(path);
  return text;
}

// zsh's message for a free argument would keep it from taking the only option that fits.
TEST(Completion, ZshSaysNothingForAFreeArgument) {
  EXPECT_THAT(zsh_completion(), HasSubstr("'*:PROMPT:{:}'"));
}

TEST(Completion, BashOffersVerbsFlagsAndChoices) {
  EXPECT_EQ(bash_offers("pronk to", 1), "tokenize\n");
  EXPECT_EQ(bash_offers("pronk list --kn", 2), "--known\n");
  EXPECT_EQ(bash_offers("pronk logits --precision f", 3), "fp32 fast\n");
  EXPECT_EQ(bash_offers("pronk completion z", 2), "zsh\n");
}

}  // namespace
}  // namespace pronk::cli
