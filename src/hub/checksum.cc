#include "hub/checksum.h"

namespace pronk::hub {
namespace fs = std::filesystem;

Status check_sha256(const Source& source, const fs::path& model, const HashProgress& progress) {
  if (source.sha256.empty()) return Ok{};
  std::error_code failed;
  fs::path file = fs::is_directory(model, failed)
                      ? model / source.file
                      : model.parent_path() / fs::path(source.file).filename();
  if (!fs::exists(file, failed)) file = model;  // under a name of another program's cache
  PRONK_TRY(hash_file(file, sha256_digest(source.sha256), progress));
  return Ok{};
}

}  // namespace pronk::hub
