#include "tokenizer/splitter.h"

#include <gmock/gmock.h>

#include <string>

namespace pronk {
namespace {

using testing::ElementsAre;
using Kind = SplitRule::Kind;
using Pieces = std::vector<std::string>;

Pieces split(std::vector<SplitRule> rules, std::string_view text) {
  Pieces pieces;
  Splitter(std::move(rules)).split(text, [&](std::string_view p) { pieces.emplace_back(p); });
  return pieces;
}
Pieces llama3(std::string_view text) { return split({{.kind = Kind::kLlama3}}, text); }
Pieces gpt2(std::string_view text) { return split({{.kind = Kind::kGpt2}}, text); }
Pieces smollm(std::string_view text) {
  return split({{.kind = Kind::kEachNumeric}, {.kind = Kind::kGpt2}}, text);
}

TEST(Splitter, Llama3TakesOneCharacterBeforeLetters) {
  EXPECT_THAT(llama3("one two\tthree(four"), ElementsAre("one", " two", "\tthree", "(four"));
  EXPECT_THAT(llama3("\nfive"), ElementsAre("\n", "five"));
  EXPECT_THAT(llama3("7six"), ElementsAre("7", "six"));
}

TEST(Splitter, Llama3TakesDigitsInThrees) {
  EXPECT_THAT(llama3("1234567"), ElementsAre("123", "456", "7"));
  EXPECT_THAT(llama3(" 12"), ElementsAre(" ", "12"));
  EXPECT_THAT(split({{.kind = Kind::kLlama3, .max_digits = 1}}, "12"), ElementsAre("1", "2"));
}

TEST(Splitter, Llama3TakesContractionsInAnyCase) {
  EXPECT_THAT(llama3("it's WE'LL"), ElementsAre("it", "'s", " WE", "'LL"));
  EXPECT_THAT(llama3("it'ſt"), ElementsAre("it", "'ſ", "t"));  // U+017F folds to s
  EXPECT_THAT(llama3("'hello"), ElementsAre("'hello"));
  EXPECT_THAT(llama3("'r 'l '"), ElementsAre("'r", " '", "l", " '"));
}

TEST(Splitter, Llama3TakesNewlinesAfterSymbols) {
  EXPECT_THAT(llama3("a.\n\nb"), ElementsAre("a", ".\n\n", "b"));
  EXPECT_THAT(llama3(" !?\r\nx"), ElementsAre(" !?\r\n", "x"));
}

TEST(Splitter, Llama3CutsWhiteSpaceAfterItsLastNewlineAndBeforeItsLastCharacter) {
  EXPECT_THAT(llama3("a \n \n  b"), ElementsAre("a", " \n \n", " ", " b"));
  EXPECT_THAT(llama3("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(llama3("a   "), ElementsAre("a", "   "));
  EXPECT_THAT(llama3("\xE3\x80\x80\xE3\x80\x80"
                     "1"),
              ElementsAre("\xE3\x80\x80", "\xE3\x80\x80", "1"));
}

TEST(Splitter, Gpt2TakesASpaceBeforeAnyRun) {
  EXPECT_THAT(gpt2("ab 12 !? 'S's"), ElementsAre("ab", " 12", " !?", " '", "S", "'s"));
  EXPECT_THAT(gpt2("a \n b"), ElementsAre("a", " \n", " b"));
}

TEST(Splitter, EachRuleCutsThePiecesOfTheOneBefore) {
  // The space before a digit is the end of its piece: it does not go along with the digit.
  EXPECT_THAT(smollm("a 12  3"), ElementsAre("a", " ", "1", "2", "  ", "3"));
  EXPECT_THAT(smollm("½x"), ElementsAre("½", "x"));
}

TEST(Splitter, SpaceRulesCutBeforeSpaces) {
  EXPECT_THAT(split({{.kind = Kind::kSpaceRuns}}, " ab  cd "), ElementsAre(" ab", "  cd", " "));
  EXPECT_THAT(split({{.kind = Kind::kEachSpace}}, " ab  cd"), ElementsAre(" ab", " ", " cd"));
}

TEST(Splitter, IllFormedBytesAreSymbols) {
  EXPECT_THAT(llama3("a\xFF\x80 b"), ElementsAre("a", "\xFF\x80", " b"));
  EXPECT_THAT(gpt2("a\xE4\xB8 b"), ElementsAre("a", "\xE4\xB8", " b"));
}

TEST(Splitter, EveryByteBelongsToOnePiece) {
  std::string text;
  for (unsigned i = 0; i < 20000; ++i) text.push_back(static_cast<char>(i * i * 31 + i / 7));
  for (int kind = 0; kind <= static_cast<int>(Kind::kEachSpace); ++kind) {
    std::string joined;
    for (const std::string& p : split({{.kind = static_cast<Kind>(kind)}}, text)) {
      EXPECT_FALSE(p.empty());
      joined += p;
    }
    EXPECT_EQ(joined, text) << kind;
  }
}

}  // namespace
}  // namespace pronk
