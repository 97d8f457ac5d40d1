// The store: one folder a model, complete or absent.
//
//   ROOT/models/NAME/manifest.json   what it is and where it came from
//   ROOT/models/NAME/files/...       its files, unless it is linked from elsewhere
//   ROOT/partial/NAME/...            a pull on its way, renamed to models/NAME when it is complete
//   ROOT/locks/NAME                  held while NAME is pulled, copied or removed
//
// A '/' in NAME is written %2F. Folders are made for their owner alone.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace pronk::hub {

struct StoredFile {
  std::string name;  // relative to files/
  std::int64_t size = 0;
  std::string sha256;  // "" for linked files, which may change
};

struct Manifest {
  std::string name, source, licence;
  std::string revision;  // the commit or version that `source` meant when it was pulled
  bool linked = false;
  std::string
      entry;  // what read_model takes: relative to files/ ("" is the folder), or the linked path
  std::vector<StoredFile> files;
  std::vector<std::string> licence_files;  // relative to files/
  std::int64_t modified = 0;

  std::int64_t size_bytes() const;
  std::string digest() const;  // "sha256:..." of the one file, or of the lines "SHA256  NAME"
};

std::filesystem::path model_folder(const std::string& name);
std::filesystem::path partial_folder(const std::string& name);

// Makes ROOT and its folders. kFailed says which cannot be written.
Status make_store();
Status make_folder(const std::filesystem::path& path);

// Empty when the store does not have it; kCorruptData when its manifest cannot be read.
Result<std::optional<Manifest>> read_manifest(const std::string& name);
StoredModel stored_model(const Manifest& manifest);

// Writes the manifest into the partial folder and puts that in the place of models/NAME.
Status commit(const Manifest& manifest);

// Held by one process at a time, for one name.
class StoreLock {
 public:
  // Waits while another holds it, asking `cancelled`; `on_wait` is called once if it has to.
  static Result<StoreLock> acquire(const std::string& name,
                                   const std::function<bool()>& cancelled = {},
                                   const std::function<void()>& on_wait = {});
  StoreLock(StoreLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~StoreLock();

 private:
  explicit StoreLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace pronk::hub
