#include "hub/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/hasher.h"

namespace pronk::hub {
namespace {

Digest digest_of(Digest::Kind kind, std::string_view hex, std::size_t length) {
  std::string digits(hex);
  for (char& c : digits)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + ('a' - 'A'));
  if (digits.size() != length || digits.find_first_not_of("0123456789abcdef") != digits.npos)
    return {};
  return {kind, digits};
}

}  // namespace

Digest sha256_digest(std::string_view hex) { return digest_of(Digest::Kind::kSha256, hex, 64); }
Digest git_blob_digest(std::string_view hex) { return digest_of(Digest::Kind::kGitBlob, hex, 40); }

std::string sha256_hex(std::string_view text) {
  Hasher hasher(Hasher::Kind::kSha256);
  hasher.add(text);
  return hasher.hex();
}

Result<FileDigest> hash_file(const std::filesystem::path& path, const Digest& expected,
                             const HashProgress& progress) {
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  std::ifstream file(path, std::ios::binary);
  if (failed || !file)
    return error(Code::kFailed, fmt::format("read '{}': cannot be opened", path.string()));
  Hasher sha256(Hasher::Kind::kSha256);
  Hasher git(Hasher::Kind::kSha1);
  const bool is_git = expected.kind == Digest::Kind::kGitBlob;
  if (is_git) git.add(fmt::format("blob {}", size) + '\0');
  std::vector<char> buffer(4u << 20);
  std::int64_t done = 0;
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(file.gcount()));
    sha256.add(bytes);
    if (is_git) git.add(bytes);
    done += file.gcount();
    if (progress) PRONK_TRY(progress(done));
  }
  if (file.bad())
    return error(Code::kFailed, fmt::format("read '{}': the disk gave an error", path.string()));
  FileDigest digest{done, sha256.hex()};
  const std::string found = is_git ? git.hex() : digest.sha256;
  if (expected.kind != Digest::Kind::kNone && found != expected.hex)
    return error(
        Code::kCorruptData,
        fmt::format("its {} is {}, {} was announced; what came is damaged or was exchanged",
                    is_git ? "git hash" : "sha-256", found, expected.hex));
  return digest;
}

}  // namespace pronk::hub
