#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

TEST(MappedFile, RefusesAPipeAtOnce) {
  const auto path = temp_path("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto file = MappedFile::open(path);  // would wait for a writer forever
  std::filesystem::remove(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::kInvalidArgument);
  EXPECT_NE(file.error().message.find("not a regular file"), std::string::npos);
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

// Whoever reads what was cut off gets zeros and can know it; the process goes on.
TEST(MappedFile, WhatWasCutOffReadsAsZeros) {
  const auto path = temp_path("cut");
  const std::string text(100'000, 'x');
  ASSERT_OK(write_file(path, text));
  const auto written = std::filesystem::last_write_time(path);
  const auto file = MappedFile::open(path);
  ASSERT_OK(file);
  const std::span<const std::byte> bytes = (*file)->bytes();
  const auto sum = [&] {
    std::size_t count = 0;
    for (const std::byte b : bytes) count += b == std::byte{'x'};
    return count;
  };
  EXPECT_EQ(sum(), text.size());
  std::filesystem::resize_file(path, 10'000);
  EXPECT_GE(sum(), 10'000u);
  EXPECT_LT(sum(), 10'000u + 65'536) << "of its last page, at most";
  EXPECT_FALSE((*file)->still_intact());

  // The old length and time do not heal what was read.
  std::filesystem::resize_file(path, text.size());
  std::filesystem::last_write_time(path, written);
  EXPECT_FALSE((*file)->still_intact());
  std::filesystem::remove(path);
}

TEST(MappedFile, CopiesWhatIsThereAndZerosForWhatWasCutOff) {
  const auto path = temp_path("copied");
  const std::string text = std::string(70'000, 'x') + std::string(30'000, 'y');
  ASSERT_OK(write_file(path, text));
  const auto written = std::filesystem::last_write_time(path);
  const auto file = MappedFile::open(path);
  ASSERT_OK(file);
  std::string copy(20'000, '?');
  const auto copy_from = [&](std::size_t first) {
    (*file)->copy((*file)->bytes().subspan(first, copy.size()),
                  reinterpret_cast<std::byte*>(copy.data()));
    return copy;
  };
  EXPECT_EQ(copy_from(60'001), text.substr(60'001, copy.size()));
  EXPECT_TRUE((*file)->still_intact());
  std::filesystem::resize_file(path, 75'000);
  EXPECT_EQ(copy_from(60'001), text.substr(60'001, 14'999) + std::string(5'001, '\0'));

  // The old length and time do not heal what was copied.
  std::filesystem::resize_file(path, text.size());
  std::filesystem::last_write_time(path, written);
  EXPECT_FALSE((*file)->still_intact());
  std::filesystem::remove(path);
}

TEST(MappedFile, ManyThreadsMayMeetTheCut) {
  const auto path = temp_path("threads");
  ASSERT_OK(write_file(path, std::string(4u << 20, 'x')));
  const auto file = MappedFile::open(path);
  ASSERT_OK(file);
  std::filesystem::resize_file(path, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t * 4096; i < (*file)->bytes().size(); i += 4 * 4096)
        EXPECT_EQ((*file)->bytes()[i], std::byte{0});
    });
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE((*file)->still_intact());
  std::filesystem::remove(path);
}

TEST(MappedFile, AnotherFileUnderItsPathIsNoticedADeletedOneStays) {
  const auto path = temp_path("replaced");
  ASSERT_OK(write_file(path, "abc"));
  const auto file = MappedFile::open(path);
  ASSERT_OK(file);
  std::filesystem::remove(path);
  EXPECT_TRUE((*file)->still_intact());
  ASSERT_OK(write_file(path, "abc"));
  EXPECT_FALSE((*file)->still_intact());
  std::filesystem::remove(path);
}

// A fault that is none of ours ends the process as ever.
TEST(MappedFileDeathTest, OtherFaultsAreNotSwallowed) {
  const auto path = temp_path("foreign");
  ASSERT_OK(write_file(path, std::string(10'000, 'x')));
  const auto guarded = MappedFile::open(path);
  const int fd = ::open(path.c_str(), O_RDONLY);
  auto* bytes = static_cast<volatile char*>(::mmap(nullptr, 10'000, PROT_READ, MAP_SHARED, fd, 0));
  ASSERT_NE(bytes, MAP_FAILED);
  std::filesystem::resize_file(path, 0);
  EXPECT_DEATH((void)bytes[5000], "");
  ::munmap(const_cast<char*>(bytes), 10'000);
  ::close(fd);
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
