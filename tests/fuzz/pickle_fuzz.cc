// Any bytes as a pickle and, whole, as a PyTorch file.
#include <vector>

#include "formats/pickle.h"
#include "formats/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)pronk::Pickle::parse(bytes).has_value();
  const auto tensors = pronk::read_torch_file(bytes);
  if (!tensors) return 0;
  volatile unsigned sum = 0;
  for (const auto& [name, tensor] : *tensors) {
    const std::int64_t row_size = pronk::row_bytes(tensor.dtype, tensor.columns);
    for (const std::int64_t r : {std::int64_t{0}, tensor.rows - 1})
      for (const std::int64_t i : {std::int64_t{0}, row_size - 1})
        sum = sum + std::to_integer<unsigned>(tensor.data[r * tensor.row_stride + i]);
  }
  return 0;
}
