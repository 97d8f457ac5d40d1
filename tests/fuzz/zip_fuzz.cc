// Any bytes as a zip archive; every member is unpacked within a limit.
#include "base/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto zip = pronk::ZipArchive::open(std::as_bytes(std::span(data, size)));
  if (!zip) return 0;
  for (const pronk::ZipMember& member : zip->members())
    (void)zip->read(member, 1u << 20).has_value();
  return 0;
}
