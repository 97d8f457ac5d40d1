// PyTorch's checkpoint files (.pth, .pt): a zip archive of a pickle and of one stored member for
// each storage, mapped in place.
//
//   NAME/data.pkl     the dictionary of tensors: storage key, offset, size, strides
//   NAME/data/KEY     a storage's bytes
//   NAME/byteorder    "little"
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "pronk/result.h"
#include "tensor/dtype.h"

namespace pronk {

// One or two dimensions (a vector has one row), values of a row beside each other.
struct TorchTensor {
  DType dtype = DType::kF32;
  bool is_vector = false;
  std::int64_t rows = 1, columns = 0;
  const std::byte* data = nullptr;
  std::int64_t row_stride = 0;  // bytes
};

// The tensors of a state dictionary, by name; entries that are no tensors are passed over. They
// point into `bytes`. Errors: kCorruptData; kUnsupported (another type or layout, by name).
Result<std::map<std::string, TorchTensor>> read_torch_file(std::span<const std::byte> bytes);

}  // namespace pronk
