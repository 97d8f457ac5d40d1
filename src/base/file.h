// Files: read-only maps, whole reads with a limit, and writes that become visible complete or not
// at all.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/file_faults.h"
#include "pronk/result.h"

namespace pronk {

// A regular file mapped read-only, whole. Immutable; any thread may read it while some shared_ptr
// holds it. What was cut off since reads as zeros: who reads asks still_intact() afterwards.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }
  // Whether all that was read so far is what the file held when it was mapped: its size and
  // modification time are as they were, no read failed, and no other file took its path.
  bool still_intact() const;
  // Copies a range of bytes() to `out`. For what is read once this takes half the time of mapping
  // its pages. What is no longer there becomes zeros, as in the mapping.
  void copy(std::span<const std::byte> range, std::byte* out) const;
  // Hints to the kernel that this range will not be read again soon (its memory may be reused).
  void forget(std::span<const std::byte> range) const;

 private:
  MappedFile() = default;
  std::filesystem::path path_;
  int fd_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t modified_ns_ = 0;
  std::uint64_t device_ = 0, inode_ = 0;
  std::optional<FaultGuard> guard_;
  mutable std::atomic<bool> copy_failed_{false};
};

// The file's bytes; kResourceExhausted when it is longer than max_bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = 64u << 20);

// Writes to "PATH.partial-PID" and renames it onto PATH at commit(): nothing half-written is ever
// seen under PATH. Destruction without commit() removes the partial file. One thread at a time.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::filesystem::path& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  std::uint64_t size() const { return size_; }
  Status commit();  // flushes to disk, then renames

 private:
  AtomicFile() = default;
  void discard() noexcept;
  std::filesystem::path path_, partial_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

Status write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace pronk
