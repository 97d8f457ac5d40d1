#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace pronk {
namespace {

TEST(StopMatcher, HoldsBackExactlyWhatMayBeginAStop) {
  StopMatcher m({"</end>", "\n\n"});
  EXPECT_EQ(m.push("a<"), "a");
  EXPECT_EQ(m.push("/en"), "");
  EXPECT_EQ(m.push("x\n"), "</enx");
  EXPECT_EQ(m.push("y"), "\ny");
  EXPECT_FALSE(m.stopped());
  EXPECT_EQ(m.push("z</end>tail"), "z");
  EXPECT_TRUE(m.stopped());
  EXPECT_EQ(m.push("more"), "");
  EXPECT_EQ(m.finish(), "");
}

TEST(StopMatcher, WhatIsHeldAtTheEndComesOut) {
  StopMatcher m({"stop"});
  EXPECT_EQ(m.push("no sto"), "no ");
  EXPECT_EQ(m.finish(), "sto");
}

TEST(StopMatcher, WithoutStopsNothingIsHeld) {
  StopMatcher m({});
  EXPECT_EQ(m.push("abc"), "abc");
  EXPECT_EQ(m.finish(), "");
}

TEST(StopMatcher, TheStopThatIsCompleteFirstWins) {
  StopMatcher inner({"abcd", "bc"});
  EXPECT_EQ(inner.push("xabcd"), "xa");
  StopMatcher same_end({"c", "bc", "xbc"});
  EXPECT_EQ(same_end.push("axbc"), "a");
}

// The plain reading: byte by byte, is some stop's end here?
std::string twin(const std::string& text, const std::vector<std::string>& stops, bool* stopped) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& s : stops)
      if (std::string_view(text).substr(0, end).ends_with(s)) longest = std::max(longest, s.size());
    if (longest > 0) {
      *stopped = true;
      return text.substr(0, end - longest);
    }
  }
  *stopped = false;
  return text;
}

TEST(StopMatcher, HowTheTextIsCutDoesNotMatter) {
  std::mt19937 rng(1);
  const auto random_text = [&](std::size_t length) {
    std::string s;
    while (s.size() < length) s += static_cast<char>('a' + rng() % 3);
    return s;
  };
  int num_stopped = 0;
  for (int run = 0; run < 5000; ++run) {
    std::vector<std::string> stops;
    for (unsigned i = 0; i < 1 + rng() % 3; ++i) stops.push_back(random_text(1 + rng() % 6));
    const std::string text = random_text(rng() % 40);
    bool stopped;
    const std::string want = twin(text, stops, &stopped);
    num_stopped += stopped;
    StopMatcher m(stops);
    std::string got;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = 1 + rng() % 7;
      got += m.push(std::string_view(text).substr(at, n));
      ASSERT_TRUE(want.starts_with(got)) << "let out too much of " << text;
      at += n;
    }
    got += m.finish();
    ASSERT_EQ(got, want) << text;
    ASSERT_EQ(m.stopped(), stopped);
  }
  EXPECT_GT(num_stopped, 1000);
}

}  // namespace
}  // namespace pronk
