#include "text/suggest.h"

#include <gtest/gtest.h>

namespace pronk {
namespace {

TEST(Suggest, CountsSwapsAsOneEdit) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", "abc"), 0);
  EXPECT_EQ(edit_distance("list", "lsit"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

TEST(Suggest, FindsTheNearestOrNone) {
  const std::vector<std::string> verbs = {"run", "pull", "list", "tokenize", "template"};
  EXPECT_EQ(nearest("rnu", verbs), "run");
  EXPECT_EQ(nearest("tokenise", verbs), "tokenize");
  EXPECT_EQ(nearest("temp", verbs), "template") << "the only one that it begins";
  EXPECT_EQ(nearest("frobnicate", verbs), std::nullopt);
  EXPECT_EQ(nearest("", verbs), std::nullopt);
}

}  // namespace
}  // namespace pronk
