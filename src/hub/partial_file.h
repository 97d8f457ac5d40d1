// The file that a download fills, and the record of its complete chunks (download.h has the
// format).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "pronk/result.h"

namespace pronk::hub {

struct Chunk {
  std::int64_t index = 0, begin = 0, end = 0;  // bytes [begin, end)
};

// Any thread may write and take chunks; open() and start() are for one.
class PartialFile {
 public:
  // Opens PATH.part, creating it; an unreadable state counts as none.
  static Result<PartialFile> open(const std::filesystem::path& path);
  PartialFile(PartialFile&& other) noexcept;
  ~PartialFile();

  // Says what will fill it. Chunks of an earlier attempt stay when its identity and size were
  // these.
  Status start(const std::string& identity, std::int64_t size, std::int64_t chunk_size);
  Status restart();  // forgets every byte
  const std::string& identity() const { return identity_; }
  std::int64_t size() const { return size_; }
  std::int64_t chunk_size() const { return chunk_size_; }

  std::optional<Chunk> take();  // a missing chunk that nobody has taken yet
  Status write(std::int64_t offset, std::span<const std::byte> bytes);
  Status finish(const Chunk& chunk);  // all its bytes are written
  int num_missing() const;
  std::int64_t bytes_done() const;  // of complete chunks

  Status set_size(std::int64_t size);  // of a stream whose length showed only at its end
  const std::filesystem::path& part_path() const { return part_; }
  Status keep(const std::filesystem::path& path);  // flushes, renames the file, drops the state
  void remove();                                   // the file and the state

 private:
  PartialFile() = default;
  Status save_state() const;
  void load_state();

  std::filesystem::path part_, state_;
  int fd_ = -1;
  std::string identity_;
  std::int64_t size_ = -1, chunk_size_ = 0;
  std::string done_;   // '1' where a chunk is complete
  std::string taken_;  // '1' where some thread has it, or it is complete
  mutable std::mutex mutex_;
};

}  // namespace pronk::hub
