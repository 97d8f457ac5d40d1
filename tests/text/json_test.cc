#include <fmt/format.h>
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

TEST(Json, ReadsNumbersExactly) {
  for (const double x : {0.12345678901234567, 3810.6650799657884, 4.4284752168976188e-07, 5e-324,
                         1.7976931348623157e308, -0.0, 0.1})
    EXPECT_EQ(parse_json(fmt::format("{:.17g}", x) + (x == 0 ? ".0" : ""))->to_number<double>(), x);
  EXPECT_EQ(parse_json("0e618")->get_double(), 0);
  EXPECT_EQ(parse_json("1e-999")->get_double(), 0);
  EXPECT_EQ(parse_json("18446744073709551615")->get_uint64(), 18446744073709551615u);
  EXPECT_FALSE(parse_json("1e999"));
}

TEST(Json, RefusesADocumentCutAnywhere) {
  const std::string text = R"({"a": [1, -2.5e3, true, null, "\u00e9\n\ud83e\udd17"], "b": {}})";
  EXPECT_TRUE(parse_json(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(parse_json(text.substr(0, size))) << size;
}

TEST(Json, WritesOneLineOfValidUtf8) {
  EXPECT_EQ(write_json({{"é", "\n\x1b"}}), "{\"é\":\"\\n\\u001b\"}");
  EXPECT_EQ(write_json({{"a\xff", "\xe4\xb8"}}), "{\"a\uFFFD\":\"\uFFFD\uFFFD\"}");
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
