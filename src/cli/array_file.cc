#include "cli/array_file.h"

#include <fmt/format.h>

#include <bit>

#include "text/json.h"

namespace pronk::cli {

static_assert(std::endian::native == std::endian::little, "both formats are written as memory is");

// offset 0: "\x93NUMPY", 6: version 1.0, 8: uint16 length of the dictionary text that follows,
// which ends in spaces and a newline so that the numbers begin at a multiple of 64.
std::string npy_header(std::int64_t rows, std::int64_t columns) {
  constexpr std::size_t kBefore = 10, kAlign = 64;
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  text.resize((kBefore + text.size() + 1 + kAlign - 1) / kAlign * kAlign - kBefore - 1, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

// offset 0: uint64 length of the JSON text that follows, which ends in spaces so that the numbers
// begin at a multiple of 8.
std::string safetensors_header(const std::string& name, std::int64_t rows, std::int64_t columns) {
  constexpr std::size_t kAlign = 8;
  const json::object tensor = {{"dtype", "F32"},
                               {"shape", {rows, columns}},
                               {"data_offsets", {0, rows * columns * std::int64_t{sizeof(float)}}}};
  std::string text = json::serialize(json::object{{name, tensor}});
  text.resize((text.size() + kAlign - 1) / kAlign * kAlign, ' ');
  std::string header;
  for (int i = 0; i < 8; ++i) header += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return header + text;
}

Result<ArrayFile> ArrayFile::create(const std::filesystem::path& path, const std::string& name,
                                    std::int64_t rows, std::int64_t columns) {
  const std::string extension = path.extension().string();
  if (extension != ".npy" && extension != ".safetensors")
    return error(
        Code::kInvalidArgument,
        fmt::format("write '{}': the name must end in .npy or .safetensors", path.string()));
  ArrayFile array(PRONK_TRY(AtomicFile::create(path)));
  PRONK_TRY(array.file_.write(extension == ".npy" ? npy_header(rows, columns)
                                                  : safetensors_header(name, rows, columns)));
  return array;
}

}  // namespace pronk::cli
