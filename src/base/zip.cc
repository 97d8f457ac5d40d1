#include "base/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "base/bytes.h"

namespace pronk {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50, kZip64LocatorSignature = 0x07064b50,
                        kZip64EndSignature = 0x06064b50, kDirectorySignature = 0x02014b50,
                        kLocalSignature = 0x04034b50;
constexpr std::size_t kEndSize = 22, kZip64LocatorSize = 20, kLocalSize = 30, kMaxComment = 65535;
constexpr std::uint64_t kMaxMembers = 1u << 20;
constexpr std::uint16_t kEncrypted = 1u << 0 | 1u << 6;

Error corrupt(std::string what) {
  return error(Code::kCorruptData,
               "zip: " + std::move(what) + "; the file is cut short or damaged");
}

// Where the directory lies, as the end records say.
struct Directory {
  std::uint64_t num_members = 0, size = 0, offset = 0;
};

// The last place where an end record fits together with its comment.
Result<std::size_t> find_end(std::span<const std::byte> bytes) {
  if (bytes.size() < kEndSize)
    return corrupt(fmt::format("{} bytes hold no archive", bytes.size()));
  const std::size_t last = bytes.size() - kEndSize;
  const std::size_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (std::size_t at = last + 1; at-- > first;) {
    if (load_le<std::uint32_t>(&bytes[at]) != kEndSignature) continue;
    if (at + kEndSize + load_le<std::uint16_t>(&bytes[at + 20]) == bytes.size()) return at;
  }
  return corrupt("no end record at the end of the file");
}

Result<Directory> read_zip64_end(std::span<const std::byte> bytes, std::size_t end) {
  const std::byte* locator = &bytes[end - kZip64LocatorSize];
  const auto offset = load_le<std::uint64_t>(locator + 8);
  if (offset >= end) return corrupt(fmt::format("zip64 end record at {}", offset));
  ByteReader in(bytes.first(end), static_cast<std::size_t>(offset));
  const auto record = PRONK_TRY_IN("zip", in.take(56));
  const std::byte* p = record.data();
  if (load_le<std::uint32_t>(p) != kZip64EndSignature)
    return corrupt(fmt::format("no zip64 end record at {}", offset));
  if (load_le<std::uint32_t>(p + 16) != 0 || load_le<std::uint32_t>(p + 20) != 0)
    return error(Code::kUnsupported, "zip: the archive spans several disks");
  return Directory{load_le<std::uint64_t>(p + 32), load_le<std::uint64_t>(p + 40),
                   load_le<std::uint64_t>(p + 48)};
}

Result<Directory> read_end(std::span<const std::byte> bytes) {
  const std::size_t end = PRONK_TRY(find_end(bytes));
  Directory directory;
  if (end >= kZip64LocatorSize &&
      load_le<std::uint32_t>(&bytes[end - kZip64LocatorSize]) == kZip64LocatorSignature) {
    directory = PRONK_TRY(read_zip64_end(bytes, end));
  } else {
    if (load_le<std::uint16_t>(&bytes[end + 4]) != 0 ||
        load_le<std::uint16_t>(&bytes[end + 6]) != 0)
      return error(Code::kUnsupported, "zip: the archive spans several disks");
    directory = {load_le<std::uint16_t>(&bytes[end + 10]), load_le<std::uint32_t>(&bytes[end + 12]),
                 load_le<std::uint32_t>(&bytes[end + 16])};
  }
  if (!lies_within(directory.offset, directory.size, end))
    return corrupt(fmt::format("the directory's {} bytes at {} are not in the file", directory.size,
                               directory.offset));
  if (directory.num_members > kMaxMembers || directory.num_members > directory.size / 46)
    return corrupt(fmt::format("{} members in a directory of {} bytes", directory.num_members,
                               directory.size));
  return directory;
}

// Zip64's extra field (id 1) holds, in this order, those of the values that are all ones in the
// directory.
Status read_zip64_extra(std::span<const std::byte> extra, ZipMember* member,
                        std::uint64_t* local_offset) {
  constexpr std::uint64_t kElsewhere = std::numeric_limits<std::uint32_t>::max();
  std::uint64_t* const values[] = {&member->size, &member->compressed_size, local_offset};
  if (std::none_of(std::begin(values), std::end(values),
                   [](const std::uint64_t* value) { return *value == kElsewhere; }))
    return Ok{};
  ByteReader in(extra);
  while (in.left() >= 4) {
    const auto id = PRONK_TRY(in.number<std::uint16_t>());
    const auto size = PRONK_TRY(in.number<std::uint16_t>());
    ByteReader field(PRONK_TRY(in.take(size)));
    if (id != 1) continue;
    for (std::uint64_t* value : values)
      if (*value == kElsewhere) *value = PRONK_TRY(field.number<std::uint64_t>());
    return Ok{};
  }
  return Ok{};  // then the values are what they say
}

Status check_kind(const ZipMember& member, std::uint16_t flags) {
  if (flags & kEncrypted)
    return error(Code::kUnsupported, fmt::format("zip: '{}' is encrypted", member.name));
  if (member.method != ZipMember::kStored && member.method != ZipMember::kDeflated)
    return error(
        Code::kUnsupported,
        fmt::format("zip: '{}' is compressed by method {}; stored (0) and deflated (8) are "
                    "supported",
                    member.name, member.method));
  if (member.method == ZipMember::kStored && member.size != member.compressed_size)
    return corrupt(fmt::format("'{}' is stored, but its sizes are {} and {}", member.name,
                               member.size, member.compressed_size));
  return Ok{};
}

// The data begins after the local header, whose name and extra field have lengths of their own.
Status locate(std::span<const std::byte> bytes, std::uint64_t local_offset, ZipMember* member) {
  if (!lies_within(local_offset, kLocalSize, bytes.size()) ||
      load_le<std::uint32_t>(&bytes[local_offset]) != kLocalSignature)
    return corrupt(fmt::format("'{}' has no local header at {}", member->name, local_offset));
  const std::byte* header = &bytes[local_offset];
  member->data_offset = local_offset + kLocalSize + load_le<std::uint16_t>(header + 26) +
                        load_le<std::uint16_t>(header + 28);
  if (!lies_within(member->data_offset, member->compressed_size, bytes.size()))
    return corrupt(fmt::format("'{}' has {} bytes at {}, the file has {}", member->name,
                               member->compressed_size, member->data_offset, bytes.size()));
  return Ok{};
}

Result<ZipMember> read_member(ByteReader* in, std::span<const std::byte> bytes) {
  const auto fixed = PRONK_TRY_IN("zip", in->take(46));
  const std::byte* p = fixed.data();
  if (load_le<std::uint32_t>(p) != kDirectorySignature)
    return corrupt(fmt::format("no directory entry at {}", in->position() - 46));
  ZipMember member;
  const auto flags = load_le<std::uint16_t>(p + 8);
  member.method = load_le<std::uint16_t>(p + 10);
  member.crc = load_le<std::uint32_t>(p + 16);
  member.compressed_size = load_le<std::uint32_t>(p + 20);
  member.size = load_le<std::uint32_t>(p + 24);
  std::uint64_t local_offset = load_le<std::uint32_t>(p + 42);
  member.name = PRONK_TRY_IN("zip", in->text(load_le<std::uint16_t>(p + 28)));
  const auto extra = PRONK_TRY_IN("zip", in->take(load_le<std::uint16_t>(p + 30)));
  PRONK_TRY_IN("zip", in->take(load_le<std::uint16_t>(p + 32)));  // the comment
  PRONK_TRY_IN("zip", read_zip64_extra(extra, &member, &local_offset));
  PRONK_TRY(check_kind(member, flags));
  PRONK_TRY(locate(bytes, local_offset, &member));
  return member;
}

// Members that share bytes are how small archives claim to unpack to petabytes.
Status check_disjoint(const std::vector<ZipMember>& members) {
  std::vector<const ZipMember*> order;
  for (const ZipMember& member : members)
    if (member.compressed_size > 0) order.push_back(&member);
  std::sort(order.begin(), order.end(),
            [](const ZipMember* a, const ZipMember* b) { return a->data_offset < b->data_offset; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->data_offset + order[i - 1]->compressed_size > order[i]->data_offset)
      return corrupt(fmt::format("'{}' and '{}' share bytes", order[i - 1]->name, order[i]->name));
  return Ok{};
}

struct InflateEnd {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};
using Inflater = std::unique_ptr<z_stream, InflateEnd>;

Result<Inflater> start_inflating() {
  Inflater stream(new z_stream{});
  if (inflateInit2(stream.get(), -MAX_WBITS) != Z_OK)
    return error(Code::kResourceExhausted, "zip: no memory to decompress");
  return stream;
}

// Raw deflate data, piece by piece; the output may not grow past member.size.
Status inflate_into(const ZipMember& member, std::span<const std::byte> in,
                    const ZipArchive::Sink& sink) {
  const Inflater stream = PRONK_TRY(start_inflating());
  std::vector<std::byte> buffer(1u << 18);
  std::uint64_t done = 0;
  for (int state = Z_OK; state != Z_STREAM_END;) {
    if (stream->avail_in == 0) {
      const auto part = in.first(std::min<std::size_t>(in.size(), 1u << 30));
      stream->next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(part.data()));
      stream->avail_in = static_cast<uInt>(part.size());
      in = in.subspan(part.size());
    }
    stream->next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream->avail_out = static_cast<uInt>(buffer.size());
    state = inflate(stream.get(), Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END)
      return corrupt(fmt::format("'{}' does not decompress", member.name));
    const std::size_t produced = buffer.size() - stream->avail_out;
    done += produced;
    if (done > member.size)
      return corrupt(
          fmt::format("'{}' unpacks to more than its {} bytes", member.name, member.size));
    PRONK_TRY(sink(std::span(buffer).first(produced)));
  }
  if (done != member.size)
    return corrupt(fmt::format("'{}' unpacks to {} bytes, the directory says {}", member.name, done,
                               member.size));
  return Ok{};
}

}  // namespace

Result<ZipArchive> ZipArchive::open(std::span<const std::byte> bytes) {
  const Directory directory = PRONK_TRY(read_end(bytes));
  ZipArchive archive(bytes);
  ByteReader in(bytes.subspan(directory.offset, directory.size));
  for (std::uint64_t i = 0; i < directory.num_members; ++i) {
    ZipMember member = PRONK_TRY(read_member(&in, bytes));
    if (!archive.index_.emplace(member.name, archive.members_.size()).second)
      return corrupt(fmt::format("two members are called '{}'", member.name));
    archive.members_.push_back(std::move(member));
  }
  PRONK_TRY(check_disjoint(archive.members_));
  return archive;
}

const ZipMember* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &members_[found->second];
}

Result<std::span<const std::byte>> ZipArchive::stored(const ZipMember& member) const {
  if (member.method != ZipMember::kStored)
    return error(Code::kUnsupported,
                 fmt::format("zip: '{}' is compressed, so it cannot be mapped; unpack it first",
                             member.name));
  return bytes_.subspan(member.data_offset, member.size);
}

Status ZipArchive::unpack(const ZipMember& member, std::uint64_t max_bytes,
                          const Sink& sink) const {
  if (member.size > max_bytes)
    return error(Code::kResourceExhausted,
                 fmt::format("zip: '{}' unpacks to {} bytes, {} are allowed here", member.name,
                             member.size, max_bytes));
  uLong crc = crc32(0, nullptr, 0);
  const Sink checked = [&](std::span<const std::byte> part) -> Status {
    crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
    return sink(part);
  };
  const auto data = bytes_.subspan(member.data_offset, member.compressed_size);
  if (member.method == ZipMember::kDeflated) {
    PRONK_TRY(inflate_into(member, data, checked));
  } else {
    for (std::size_t at = 0; at < data.size(); at += 1u << 20)
      PRONK_TRY(checked(data.subspan(at, std::min<std::size_t>(1u << 20, data.size() - at))));
  }
  if (crc != member.crc)
    return corrupt(fmt::format("'{}' has checksum {:08x}, the directory says {:08x}", member.name,
                               crc, member.crc));
  return Ok{};
}

Result<std::string> ZipArchive::read(const ZipMember& member, std::uint64_t max_bytes) const {
  std::string text;  // grows with what is really there, not with what the directory claims
  PRONK_TRY(unpack(member, max_bytes, [&](std::span<const std::byte> part) -> Status {
    text.append(reinterpret_cast<const char*>(part.data()), part.size());
    return Ok{};
  }));
  return text;
}

}  // namespace pronk
