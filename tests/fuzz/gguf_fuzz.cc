// Any bytes as a GGUF file; what is accepted is read to its last row.
#include "formats/gguf_reader.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pronk::ModelSource source;
  const std::span<const std::byte> files[] = {std::as_bytes(std::span(data, size))};
  if (pronk::read_gguf_files(files, {}, &source)) pronk::touch(source);
  return 0;
}
