// What tests share: where data lies, and a matcher for Result.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

// A small file of the repository: tests/data/NAME.
inline std::filesystem::path test_data(const std::string& name) {
  return std::filesystem::path(PRONK_SOURCE_DIR) / "tests" / "data" / name;
}

// A file of the developers' shared folder (../shared/data/NAME), which a user's machine does not
// have.
inline std::optional<std::filesystem::path> shared_data(const std::string& name) {
  const char* root = std::getenv("PRONK_SHARED");
  auto path = (root ? std::filesystem::path(root)
                    : std::filesystem::path(PRONK_SOURCE_DIR) / ".." / "shared") /
              "data" / name;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path;
}

#define PRONK_NEEDS_SHARED(variable, name)                                \
  const auto variable##_found = shared_data(name);                        \
  if (!variable##_found) GTEST_SKIP() << "needs ../shared/data/" << name; \
  const std::filesystem::path variable = *variable##_found

#define ASSERT_OK(expr) \
  if (const auto& pronk_r_ = (expr); !pronk_r_) FAIL() << pronk_r_.error().message
#define EXPECT_OK(expr) \
  if (const auto& pronk_r_ = (expr); !pronk_r_) ADD_FAILURE() << pronk_r_.error().message
