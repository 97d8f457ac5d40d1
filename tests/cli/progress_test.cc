#include "cli/progress.h"

#include <gtest/gtest.h>

#include <clocale>

namespace pronk::cli {
namespace {

class ProgressTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
};

TEST_F(ProgressTest, BytesHaveThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(93'800'000), "93.8 MB");
  EXPECT_EQ(format_bytes(999'600), "1.00 MB");
  EXPECT_EQ(format_bytes(810'000'000'000), "810 GB");
}

TEST_F(ProgressTest, DurationsHaveTwoUnits) {
  EXPECT_EQ(format_duration(0.4), "0s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m 00s");
  EXPECT_EQ(format_duration(200), "3m 20s");
  EXPECT_EQ(format_duration(7500), "2h 05m");
  EXPECT_EQ(format_duration(356'400), "4d 03h");
  EXPECT_EQ(format_duration(1e300), "forever");
}

const ProgressState kHalf = {.what = "pull m.gguf",
                             .unit = ProgressUnit::kBytes,
                             .done = 50'000'000,
                             .total = 100'000'000,
                             .rate = 10e6};

TEST_F(ProgressTest, BarShowsShareAmountRateAndTimeLeft) {
  EXPECT_EQ(format_bar(kHalf, 80, false),
            "pull m.gguf  50% [##############               ]  50.0 MB/100 MB  10.0 MB/s  5s");
}

TEST_F(ProgressTest, BarNeverReachesTheLastColumn) {
  for (int width = 1; width < 200; ++width) {
    EXPECT_LT(display_width(format_bar(kHalf, width, true)), std::max(width, 2)) << width;
    EXPECT_LT(display_width(format_bar(kHalf, width, false)), std::max(width, 2)) << width;
  }
}

TEST_F(ProgressTest, NarrowBarKeepsTheNumbers) {
  EXPECT_EQ(format_bar(kHalf, 50, true), "pull m.gguf  50%  50.0 MB/100 MB  10.0 MB/s  5s");
}

TEST_F(ProgressTest, WideCharactersAreNotCutInHalf) {
  ProgressState state = kHalf;
  state.what = "模型模型模型";
  EXPECT_EQ(format_bar(state, 6, true), "模型");
  EXPECT_EQ(format_bar(state, 5, true), "模型");
}

TEST_F(ProgressTest, UnknownTotalHasNoShare) {
  ProgressState state = kHalf;
  state.total = -1;
  EXPECT_EQ(format_bar(state, 80, true), "pull m.gguf  50.0 MB  10.0 MB/s");
  EXPECT_EQ(format_progress_line(state), "pull m.gguf: 50.0 MB, 10.0 MB/s");
}

TEST_F(ProgressTest, LineSaysTheSameInWords) {
  EXPECT_EQ(format_progress_line(kHalf), "pull m.gguf: 50%, 50.0 MB of 100 MB, 10.0 MB/s, 5s left");
  const ProgressState tokens = {.what = "read the prompt",
                                .unit = ProgressUnit::kTokens,
                                .done = 512,
                                .total = 2048,
                                .rate = 51.2};
  EXPECT_EQ(format_progress_line(tokens),
            "read the prompt: 25%, 512 of 2048 tokens, 51.2 tokens/s, 30s left");
}

TEST_F(ProgressTest, RateIsThatOfTheLastTenSamples) {
  RateMeter meter;
  EXPECT_EQ(meter.per_second(), 0);
  meter.add(0, 0);
  EXPECT_EQ(meter.per_second(), 0);
  for (int second = 1; second <= 10; ++second) meter.add(second, second * 100);
  EXPECT_DOUBLE_EQ(meter.per_second(), 100);
  for (int second = 11; second <= 20; ++second) meter.add(second, 1000 + (second - 10) * 500);
  EXPECT_DOUBLE_EQ(meter.per_second(), 500) << "the slow beginning is forgotten";
}

TEST_F(ProgressTest, CrowdedSamplesArePassedOver) {
  RateMeter meter;
  meter.add(0, 0);
  meter.add(0.1, 1'000'000);
  EXPECT_EQ(meter.per_second(), 0);
}

}  // namespace
}  // namespace pronk::cli
