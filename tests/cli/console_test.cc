#include "cli/console.h"

#include <gtest/gtest.h>

#include <clocale>

#include "cli/io.h"
#include "support.h"

namespace pronk::cli {
namespace {

TEST(Console, ColorsFollowTheEnvironment) {
  EXPECT_TRUE(wants_color("auto", {.is_tty = true}));
  EXPECT_FALSE(wants_color("auto", {.is_tty = false}));
  EXPECT_FALSE(wants_color("auto", {.is_tty = true, .no_color = true}));
  EXPECT_FALSE(wants_color("auto", {.is_tty = true, .dumb_terminal = true}));
  EXPECT_TRUE(wants_color("auto", {.is_tty = false, .force_color = true}));
  EXPECT_FALSE(wants_color("auto", {.is_tty = true, .no_color = true, .force_color = true}));
  EXPECT_TRUE(wants_color("always", {.no_color = true}));
  EXPECT_FALSE(wants_color("never", {.is_tty = true, .force_color = true}));
}

TEST(Console, TablesAlignByColumnsNotBytes) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(format_table({{"NAME", "SIZE"}, {"模型", "1 B"}, {"é", "12 B"}}, {1}),
            "NAME  SIZE\n模型   1 B\né     12 B\n");
}

TEST(Console, WhatAFileSaysStaysOnItsLine) {
  EXPECT_EQ(one_line("tensor 'a\n\x1b[2J\xff' in 'C:\\é'"),
            "tensor 'a\\x0A\\x1B[2J\\xFF' in 'C:\\é'");
  EXPECT_LT(one_line(std::string(100'000, 'x')).size(), 5000u);
  EXPECT_EQ(format_table({{"name", "\x1b]0;x\x07"}, {"a\nb", "c"}}),
            "name    \\x1B]0;x\\x07\na\\x0Ab  c\n");
}

TEST(Io, IdsMayBeSeparatedInManyWays) {
  for (const char* text : {"1,2,3", "1 2 3\n", "[1, 2, 3]", " [1,2,\n3] ", "1\n2\t3,"}) {
    const Result<std::vector<TokenId>> ids = parse_ids(text);
    ASSERT_OK(ids);
    EXPECT_EQ(*ids, (std::vector<TokenId>{1, 2, 3})) << text;
  }
  for (const char* text : {"", "  \n", "[]", "[ ]"}) {
    const Result<std::vector<TokenId>> ids = parse_ids(text);
    ASSERT_OK(ids);
    EXPECT_TRUE(ids->empty()) << text;
  }
}

TEST(Io, WhatIsNoIdIsNamed) {
  for (const auto& [text, named] :
       std::vector<std::pair<std::string, std::string>>{{"1 two 3", "'two'"},
                                                        {"1 -2", "'-2'"},
                                                        {"99999999999", "'99999999999'"},
                                                        {"1.5", "'1.5'"},
                                                        {"[1, 2", "']'"}}) {
    const Result<std::vector<TokenId>> ids = parse_ids(text);
    ASSERT_FALSE(ids) << text;
    EXPECT_EQ(ids.error().code, Code::kInvalidArgument);
    EXPECT_NE(ids.error().message.find(named), std::string::npos) << ids.error().message;
  }
}

TEST(Io, BytesAreShownOnOneLine) {
  std::setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(escape_bytes("a\n\t\\é\xff\x1b"), "a\\n\\t\\\\é\\xff\\x1b");
}

}  // namespace
}  // namespace pronk::cli
