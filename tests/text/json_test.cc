#include <gmock/gmock.h>

#include "support.h"
#include "text/json.h"

namespace pronk {
namespace {

TEST(Json, SaysWhereTheInputIsWrong) {
  EXPECT_THAT(parse_json("{\"a\":\n  [1, }").error().message,
              ::testing::HasSubstr("line 2, column"));
  EXPECT_FALSE(parse_json("1 2"));
  EXPECT_FALSE(parse_json("[1"));
  EXPECT_TRUE(parse_json(" {\"a\": 1} \n"));
}

TEST(Json, BoundsDepth) {
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_EQ(parse_json(std::string(100000, '[')).error().code, Code::kCorruptData);
}

TEST(Json, FindsMembersByType) {
  const auto v = *parse_json(R"({"s": "x", "a": [1], "n": null})");
  EXPECT_EQ(*find_string(v, "s"), "x");
  EXPECT_EQ(find_string(v, "a"), nullptr);
  EXPECT_EQ(find_array(v, "a")->size(), 1u);
  EXPECT_EQ(find(v, "missing"), nullptr);
  EXPECT_EQ(find(json::value(3), "s"), nullptr);
}

}  // namespace
}  // namespace pronk
