// Any bytes as a packed file; what is accepted is read to its last row.
#include <cstring>
#include <memory>
#include <new>

#include "formats/packed_file.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Panels stand at multiples of 64, as a mapped file has them.
  constexpr std::align_val_t kAlignment{64};
  const std::unique_ptr<std::byte[], void (*)(std::byte*)> bytes(
      new (kAlignment) std::byte[size + 1], [](std::byte* p) { operator delete[](p, kAlignment); });
  std::memcpy(bytes.get(), data, size);
  // The size in the head would refuse nearly every change of length.
  const std::uint64_t whole = size;
  if (size >= 24) std::memcpy(bytes.get() + 16, &whole, sizeof whole);
  pronk::ModelSource source;
  if (pronk::read_packed_bytes({bytes.get(), size}, {}, &source)) pronk::touch(source);
  return 0;
}
