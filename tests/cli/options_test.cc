#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/verbs.h"
#include "support.h"

namespace pronk::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Status do_nothing(Context&) { return Ok{}; }

const Verb kVerb = {
    .name = "try",
    .alias = {},
    .group = "Tests",
    .summary = "a verb for tests",
    .arguments = {{"MODEL", ArgumentKind::kModel}, {"PROMPT", ArgumentKind::kText, false}},
    .groups = {{"All kinds",
                {{.name = "json"},
                 {.name = "history", .fallback = "true"},
                 {.name = "predict",
                  .letter = 'n',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "-1",
                  .min = -1,
                  .max = 1000},
                 {.name = "top-k", .kind = ValueKind::kInt, .value = "N", .min = 0},
                 {.name = "temp", .kind = ValueKind::kReal, .value = "X", .min = 0},
                 {.name = "prompt", .letter = 'p', .kind = ValueKind::kText, .value = "TEXT"},
                 {.name = "stop", .kind = ValueKind::kText, .value = "TEXT", .repeats = true},
                 {.name = "precision",
                  .kind = ValueKind::kChoice,
                  .value = "fp32|fast",
                  .fallback = "fast"},
                 {.name = "threads",
                  .letter = 't',
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "0",
                  .min = 0,
                  .env = "PRONK_TEST_THREADS"}}}},
    .notes = {},
    .run = do_nothing,
};

Result<Options> parse(const std::vector<std::string>& args) { return Options::parse(kVerb, args); }

std::string complaint_of(const std::vector<std::string>& args) {
  const Result<Options> options = parse(args);
  if (options) return "(no error)";
  EXPECT_EQ(options.error().code, Code::kInvalidArgument);
  return options.error().message;
}

TEST(Options, TakesValuesAfterASpaceOrAnEqualsSign) {
  const Result<Options> options = parse({"m", "--temp", "0.5", "--predict=7", "-t4", "-p", "-x"});
  ASSERT_OK(options);
  EXPECT_EQ(options->real("temp"), 0.5);
  EXPECT_EQ(options->integer("predict"), 7);
  EXPECT_EQ(options->integer("threads"), 4);
  EXPECT_EQ(options->text("prompt"), "-x") << "a value may begin with a dash";
}

TEST(Options, NegativeNumbersAreValues) {
  const Result<Options> options = parse({"m", "-n", "-1"});
  ASSERT_OK(options);
  EXPECT_EQ(options->integer("predict"), -1);
}

TEST(Options, FlagsCanBeTakenBack) {
  const Result<Options> options = parse({"m", "--json", "--no-json", "--no-history"});
  ASSERT_OK(options);
  EXPECT_FALSE(options->flag("json"));
  EXPECT_FALSE(options->flag("history"));
  const Result<Options> plain = parse({"m"});
  ASSERT_OK(plain);
  EXPECT_TRUE(plain->flag("history"));
}

TEST(Options, EverythingAfterTwoDashesIsAnArgument) {
  const Result<Options> options = parse({"m", "--", "--json"});
  ASSERT_OK(options);
  EXPECT_THAT(options->arguments(), ElementsAre("m", "--json"));
  EXPECT_FALSE(options->flag("json"));
}

TEST(Options, TheLastValueCountsUnlessTheOptionRepeats) {
  const Result<Options> options = parse({"m", "-n", "1", "-n", "2", "--stop", "a", "--stop", ""});
  ASSERT_OK(options);
  EXPECT_EQ(options->integer("predict"), 2);
  EXPECT_THAT(options->texts("stop"), ElementsAre("a", ""));
}

TEST(Options, WithoutAFallbackNothingIsFound) {
  const Result<Options> options = parse({"m"});
  ASSERT_OK(options);
  EXPECT_FALSE(options->find_real("temp").has_value());
  EXPECT_FALSE(options->given("predict"));
  EXPECT_EQ(options->integer("predict"), -1);
}

TEST(Options, TheCommandLineOverridesTheEnvironment) {
  ::setenv("PRONK_TEST_THREADS", "3", 1);
  const Result<Options> from_environment = parse({"m"});
  const Result<Options> from_both = parse({"m", "-t", "5"});
  ::setenv("PRONK_TEST_THREADS", "many", 1);
  const std::string complaint = complaint_of({"m"});
  ::unsetenv("PRONK_TEST_THREADS");
  ASSERT_OK(from_environment);
  ASSERT_OK(from_both);
  EXPECT_EQ(from_environment->integer("threads"), 3);
  EXPECT_EQ(from_both->integer("threads"), 5);
  EXPECT_THAT(complaint, HasSubstr("PRONK_TEST_THREADS needs a whole number, found 'many'"));
}

TEST(Options, ErrorsNameTheFlagAndWhatItNeeds) {
  EXPECT_THAT(complaint_of({"m", "--predikt", "3"}),
              HasSubstr("unknown option '--predikt', did you mean '--predict'?"));
  EXPECT_THAT(complaint_of({"m", "-z"}), HasSubstr("unknown option '-z'"));
  EXPECT_THAT(complaint_of({"m", "-n", "3x"}), HasSubstr("-n needs a whole number, found '3x'"));
  EXPECT_THAT(complaint_of({"m", "-n", "1.5"}), HasSubstr("needs a whole number"));
  EXPECT_THAT(complaint_of({"m", "-n", "1001"}), HasSubstr("needs a number from -1 to 1000"));
  EXPECT_THAT(complaint_of({"m", "--top-k", "2147483648"}), HasSubstr("from 0 to 2147483647"));
  EXPECT_THAT(complaint_of({"m", "--temp=nan"}), HasSubstr("needs a number"));
  EXPECT_THAT(complaint_of({"m", "--temp", "-0.1"}), HasSubstr("needs at least 0"));
  EXPECT_THAT(complaint_of({"m", "--temp"}), HasSubstr("--temp needs a value"));
  EXPECT_THAT(complaint_of({"m", "--precision", "fp8"}), HasSubstr("needs one of fp32|fast"));
  EXPECT_THAT(complaint_of({"m", "--json=perhaps"}), HasSubstr("--json needs no value"));
  EXPECT_THAT(complaint_of({}), HasSubstr("MODEL is missing"));
  EXPECT_THAT(complaint_of({"m", "p", "q"}), HasSubstr("'q' is one argument too many"));
}

TEST(Options, HelpAsksForNothingElse) {
  const Result<Options> options = parse({"--help"});
  ASSERT_OK(options);
  EXPECT_TRUE(options->flag("help"));
}

// The tables themselves.

TEST(Verbs, NamesLettersAndFallbacksAreSound) {
  for (const Verb* verb : all_verbs()) {
    SCOPED_TRACE(verb->name);
    std::map<std::string_view, int> names;
    std::map<char, int> letters;
    std::vector<OptionGroup> groups = verb->groups;
    groups.push_back(global_options());
    for (const OptionGroup& group : groups)
      for (const OptionSpec& option : group.options) {
        EXPECT_EQ(++names[option.name], 1) << option.name;
        if (option.letter) {
          EXPECT_EQ(++letters[option.letter], 1) << option.letter;
        }
        EXPECT_FALSE(option.help.empty()) << option.name;
        EXPECT_EQ(option.kind == ValueKind::kFlag, option.value.empty()) << option.name;
        const bool number = !option.fallback.empty() &&
                            (option.kind == ValueKind::kInt || option.kind == ValueKind::kReal);
        EXPECT_TRUE(!number || parse_real(option.fallback)) << option.name;
      }
  }
}

TEST(Verbs, AreFoundByNameAndAlias) {
  EXPECT_EQ(find_verb("list"), &kListVerb);
  EXPECT_EQ(find_verb("ls"), &kListVerb);
  EXPECT_EQ(find_verb(""), nullptr);
}

}  // namespace
}  // namespace pronk::cli
