#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/rng.h"
#include "base/system.h"
#include "base/thread_pool.h"
#include "support.h"

namespace pronk {
namespace {

std::filesystem::path temp_path(const char* name) {
  return std::filesystem::temp_directory_path() /
         (std::string("pronk_base_test_") + std::to_string(::getpid()) + name);
}

Result<int> half(int x) {
  if (x % 2) return error(Code::kInvalidArgument, "odd");
  return x / 2;
}
Result<int> quarter(int x) {
  const int y = PRONK_TRY(half(x));
  return PRONK_TRY_IN("halve twice", half(y));
}

TEST(Result, PassesErrorsUpAndNamesTheStep) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message, "halve twice: odd");
  EXPECT_EQ(quarter(7).error().message, "odd");
  EXPECT_EQ(exit_code(quarter(7).error().code), 2);
}

TEST(AtomicFile, IsInvisibleUntilCommitted) {
  const auto path = temp_path("atomic");
  {
    auto file = AtomicFile::create(path);
    ASSERT_OK(file);
    ASSERT_OK(file->write("half"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_OK(write_file(path, "whole"));
  EXPECT_EQ(*read_file(path), "whole");
  EXPECT_EQ(read_file(path, 3).error().code, Code::kResourceExhausted);
  std::filesystem::remove(path);
}

TEST(MappedFile, ReadsAnEmptyFileAndNoticesAChangedOne) {
  const auto path = temp_path("map");
  ASSERT_OK(write_file(path, ""));
  EXPECT_TRUE((*MappedFile::open(path))->bytes().empty());
  ASSERT_OK(write_file(path, "abc"));
  auto file = MappedFile::open(path);
  ASSERT_OK(file);
  EXPECT_EQ((*file)->bytes().size(), 3u);
  EXPECT_TRUE((*file)->still_intact());
  std::filesystem::resize_file(path, 1);
  EXPECT_FALSE((*file)->still_intact());
  std::filesystem::remove(path);
  EXPECT_EQ(MappedFile::open(path).error().code, Code::kNotFound);
  EXPECT_EQ(MappedFile::open("/").error().code, Code::kInvalidArgument);
}

TEST(ThreadPool, DoesEveryItemOnceWhateverTheNumberOfThreads) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> seen(37);
      pool.run(37, [&](int i, int t) {
        ASSERT_LT(t, pool.num_threads());
        ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& n : seen) ASSERT_EQ(n, 1);
    }
  }
}

// More threads than cores: some come late to every operation, and must not take another one's
// items.
TEST(ThreadPool, ALateThreadNeverDoesAnotherOperationsItems) {
  ThreadPool pool(8);
  for (int round = 0; round < 20000; ++round) {
    const int num_items = 2 + static_cast<int>(random_bits(1, static_cast<unsigned>(round)) % 9);
    std::atomic<int> num_done{0}, sum{0};
    pool.run(num_items, [&, num_items, round](int i, int) {
      ASSERT_LT(i, num_items);
      sum += i + round;
      ++num_done;
    });
    ASSERT_EQ(num_done, num_items);
    ASSERT_EQ(sum, num_items * (num_items - 1) / 2 + num_items * round);
  }
}

TEST(ThreadPool, WakesThreadsThatSleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(20 * ThreadPool::kSpinMicroseconds));
    std::atomic<int> num_there{0};
    pool.run(2, [&](int, int) {  // each waits for the other: two threads, or never
      ++num_there;
      while (num_there < 2) std::this_thread::yield();
    });
  }
}

TEST(Rng, DependsOnSeedAndPositionAlone) {
  EXPECT_EQ(random_bits(1, 2), random_bits(1, 2));
  EXPECT_NE(random_bits(1, 2), random_bits(2, 1));
  double sum = 0;
  for (unsigned i = 0; i < 10000; ++i) sum += random_unit(7, i);
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(System, ReportsAMachineThatCanExist) {
  EXPECT_GE(num_usable_cores(), 1);
  EXPECT_GT(memory_available_bytes(), 0);
  EXPECT_LE(memory_available_bytes(), memory_total_bytes());
}

}  // namespace
}  // namespace pronk
