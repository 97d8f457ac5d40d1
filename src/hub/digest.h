// Checksums of files: what a server says a file must hash to, and whether it does.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "pronk/result.h"

namespace pronk::hub {

struct Digest {
  enum class Kind {
    kNone,
    kSha256,
    kGitBlob,  // SHA-1 of "blob SIZE\0" and the bytes: how git, and so Hugging Face, names small
               // files
  };
  Kind kind = Kind::kNone;
  std::string hex;  // lower case
};

// From hexadecimal text; kNone when it is no SHA-256 (64 digits) or git blob (40 digits).
Digest sha256_digest(std::string_view hex);
Digest git_blob_digest(std::string_view hex);

std::string sha256_hex(std::string_view text);

struct FileDigest {
  std::int64_t size = 0;
  std::string sha256;
};
using HashProgress = std::function<Status(std::int64_t done)>;  // an error stops the reading

// Reads the file once. kCorruptData when it does not hash to `expected`.
Result<FileDigest> hash_file(const std::filesystem::path& path, const Digest& expected = {},
                             const HashProgress& progress = {});

}  // namespace pronk::hub
