#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace pronk {
namespace {

std::vector<TokenId> page_of(TokenId first) {
  std::vector<TokenId> tokens(kKvPageTokens);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(PagePool, GivesEveryPageOnceAndThenNone) {
  PagePool pool(3);
  std::vector<bool> seen(3);
  for (int i = 0; i < 3; ++i) seen[static_cast<std::size_t>(*pool.take())] = true;
  EXPECT_EQ(seen, std::vector<bool>(3, true));
  EXPECT_FALSE(pool.take());
  pool.put_down(1);
  EXPECT_EQ(pool.take(), 1);
  EXPECT_EQ(pool.inconsistency(), "");
}

TEST(PagePool, FindsAPublishedPageByItsTokensAndWhatIsBeforeIt) {
  PagePool pool(4);
  const int a = *pool.take(), b = *pool.take();
  const PageLink link = pool.publish(a, "", 0, page_of(0)).link;
  pool.publish(b, "", link, page_of(32));
  const auto first = pool.find("", 0, page_of(0));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->page, a);
  EXPECT_EQ(pool.references(a), 2);
  EXPECT_EQ(pool.find("", first->link, page_of(32))->page, b);
  EXPECT_FALSE(pool.find("", 0, page_of(32))) << "page b follows a, it begins no text";
  EXPECT_FALSE(pool.find("", first->link, page_of(33)));
}

TEST(PagePool, NamespacesDoNotShare) {
  PagePool pool(4);
  const int a = *pool.take();
  pool.publish(a, "alice", 0, page_of(0));
  EXPECT_FALSE(pool.find("", 0, page_of(0)));
  EXPECT_FALSE(pool.find("bob", 0, page_of(0)));
  EXPECT_EQ(pool.find("alice", 0, page_of(0))->page, a);
  const int b = *pool.take();
  EXPECT_EQ(pool.publish(b, "bob", 0, page_of(0)).page, b) << "not exchanged for alice's";
}

TEST(PagePool, ReusablePagesGoOldestFirstAndOnlyWhenNoneIsFree) {
  PagePool pool(3);
  const int a = *pool.take(), b = *pool.take();
  pool.publish(a, "", 0, page_of(0));
  pool.publish(b, "", 0, page_of(100));
  pool.put_down(b);
  pool.put_down(a);
  EXPECT_EQ(pool.num_available(), 3);
  EXPECT_EQ(pool.num_free(), 1);
  const int free_page = *pool.take();
  EXPECT_TRUE(free_page != a && free_page != b);
  EXPECT_EQ(*pool.take(), b);
  EXPECT_FALSE(pool.find("", 0, page_of(100)));
  EXPECT_TRUE(pool.find("", 0, page_of(0)));
  EXPECT_EQ(pool.inconsistency(), "");
}

TEST(PagePool, TheSecondPageOfTheSameTextIsExchangedForTheFirst) {
  PagePool pool(3);
  const int a = *pool.take(), b = *pool.take();
  pool.publish(a, "", 0, page_of(0));
  EXPECT_EQ(pool.publish(b, "", 0, page_of(0)).page, a);
  EXPECT_EQ(pool.references(a), 2);
  EXPECT_EQ(pool.references(b), 0);
  EXPECT_EQ(pool.inconsistency(), "");
}

}  // namespace
}  // namespace pronk
