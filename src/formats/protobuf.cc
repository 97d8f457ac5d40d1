#include "formats/protobuf.h"

#include <fmt/format.h>

namespace pronk {

Result<std::uint64_t> ProtoReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty())
      return error(Code::kCorruptData, fmt::format("protobuf: cut at byte {}", offset()));
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return error(Code::kCorruptData,
               fmt::format("protobuf: a number of more than 10 bytes ends at byte {}", offset()));
}

Result<std::uint64_t> ProtoReader::fixed(std::size_t size) {
  if (rest_.size() < size)
    return error(Code::kCorruptData, fmt::format("protobuf: cut at byte {}", offset()));
  std::uint64_t value = 0;
  std::memcpy(&value, rest_.data(), size);
  rest_.remove_prefix(size);
  return value;
}

Result<ProtoField> ProtoReader::next() {
  const std::uint64_t tag = PRONK_TRY(varint());
  ProtoField field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.wire = static_cast<ProtoField::Wire>(tag & 7);
  switch (field.wire) {
    case ProtoField::Wire::kVarint:
      field.value = PRONK_TRY(varint());
      return field;
    case ProtoField::Wire::kFixed64:
      field.value = PRONK_TRY(fixed(8));
      return field;
    case ProtoField::Wire::kFixed32:
      field.value = PRONK_TRY(fixed(4));
      return field;
    case ProtoField::Wire::kBytes: {
      const std::uint64_t length = PRONK_TRY(varint());
      if (length > rest_.size())
        return error(Code::kCorruptData,
                     fmt::format("protobuf: field {} of {} bytes at byte {}, {} are left",
                                 field.number, length, offset(), rest_.size()));
      field.bytes = rest_.substr(0, static_cast<std::size_t>(length));
      rest_.remove_prefix(field.bytes.size());
      return field;
    }
  }
  return error(Code::kCorruptData,
               fmt::format("protobuf: wire type {} at byte {}", tag & 7, offset()));
}

}  // namespace pronk
