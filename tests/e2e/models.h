// Models that tests of the whole program use.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace pronk::e2e {

// The repository's small model, else the SmolLM2 that PRONK_SMOLLM2 names.
inline std::optional<std::filesystem::path> usable_model() {
  const std::filesystem::path tiny = std::filesystem::path(PRONK_SOURCE_DIR) / "models/tiny.gguf";
  if (std::filesystem::exists(tiny)) return tiny;
  if (const char* path = std::getenv("PRONK_SMOLLM2"); path && std::filesystem::exists(path))
    return path;
  return std::nullopt;
}

}  // namespace pronk::e2e
