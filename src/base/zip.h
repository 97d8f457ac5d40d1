// Zip archives (PyTorch checkpoints, Python wheels) read in place: where each member lies, and its
// bytes.
//
// From the end of the file backwards:
//   end record        "PK\5\6" ... entries u16, directory size u32, directory offset u32, comment
//   zip64 locator     "PK\6\7" ... offset u64 of the zip64 end record "PK\6\6" (u64 counts)
//   directory         per member "PK\1\2": flags, method, crc, sizes, name, extra, local offset
//   local header      "PK\3\4": 30 bytes, name, extra; then the member's data
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"

namespace pronk {

struct ZipMember {
  static constexpr std::uint16_t kStored = 0, kDeflated = 8;

  std::string name;
  std::uint16_t method = kStored;
  std::uint32_t crc = 0;
  std::uint64_t compressed_size = 0, size = 0;
  std::uint64_t data_offset = 0;  // of its compressed bytes, from the start of the archive
};

// A view: the bytes given to open() must outlive it. Immutable; any thread.
class ZipArchive {
 public:
  // Reads the directory. Every member lies within the bytes, and no two overlap, so that unpacking
  // them all cannot cost more than 1032 times (deflate's limit) the archive's size. Errors:
  // kCorruptData; kUnsupported (encrypted, several disks, a method other than stored and deflated).
  static Result<ZipArchive> open(std::span<const std::byte> bytes);

  const std::vector<ZipMember>& members() const { return members_; }
  const ZipMember* find(std::string_view name) const;

  // The bytes of a stored member in place, its checksum unread; kUnsupported for a deflated one.
  Result<std::span<const std::byte>> stored(const ZipMember& member) const;
  // The member's bytes, checksum verified. kResourceExhausted when it is longer than max_bytes.
  Result<std::string> read(const ZipMember& member, std::uint64_t max_bytes) const;
  // The same in parts, in order, each given to `sink`; the checksum is known only at the end, so
  // what the sink wrote counts only if this returns Ok.
  using Sink = std::function<Status(std::span<const std::byte>)>;
  Status unpack(const ZipMember& member, std::uint64_t max_bytes, const Sink& sink) const;

 private:
  explicit ZipArchive(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
  std::vector<ZipMember> members_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace pronk
