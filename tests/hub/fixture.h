// A store and an environment of a test's own.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "base/rng.h"
#include "hub/http.h"
#include "hub/http_test_server.h"

inline std::string random_bytes(std::size_t size, std::uint64_t seed = 1) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(pronk::random_bits(seed, i));
  return bytes;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

class HubTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pronk-hub-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* name :
         {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE",
          "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
          "PIP_EXTRA_INDEX_URL", "OLLAMA_MODELS", "http_proxy", "HTTP_PROXY", "ALL_PROXY",
          "all_proxy", "PIP_CONFIG_FILE"})
      set(name, std::nullopt);
    set("HOME", folder_ / "home");
    set("HF_HOME", folder_ / "hf");
    set("PRONK_HOME", folder_ / "store");
    set("HF_ENDPOINT", server_.url());
    set("MODEL_ENDPOINT", server_.url());
    set("PIP_INDEX_URL", server_.url("/simple"));
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) put(name, value);
    std::filesystem::remove_all(folder_);
  }
  void set(const std::string& name, const std::optional<std::string>& value) {
    const char* old = getenv(name.c_str());
    before_.emplace(name, old ? std::optional<std::string>(old) : std::nullopt);
    put(name, value);
  }
  // Quick to retry and to give up.
  static pronk::hub::HttpSettings quick() {
    pronk::hub::HttpSettings http;
    http.first_wait_ms = 1;
    http.stall_timeout_s = 1;
    http.connect_timeout_ms = 2000;
    return http;
  }

  std::filesystem::path folder_;
  HttpTestServer server_;

 private:
  static void put(const std::string& name, const std::optional<std::string>& value) {
    if (value)
      setenv(name.c_str(), value->c_str(), 1);
    else
      unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};
