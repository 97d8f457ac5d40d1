#include "cli/array_file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "support.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / (std::to_string(::getpid()) + name);
}

std::string written(const std::filesystem::path& path, const std::vector<float>& values) {
  Result<ArrayFile> file = ArrayFile::create(path, "logits", 2, 3);
  EXPECT_OK(file);
  const std::span<const float> all(values);
  EXPECT_OK(file->write(all.first(3)));
  EXPECT_FALSE(std::filesystem::exists(path)) << "nothing is seen before commit";
  EXPECT_OK(file->write(all.last(3)));
  EXPECT_OK(file->commit());
  Result<std::string> bytes = read_file(path);
  std::filesystem::remove(path);
  EXPECT_OK(bytes);
  return *bytes;
}

const std::vector<float> kValues = {1, -2, 0.5f, 3e38f, -0.0f, 7};

std::vector<float> floats_of(std::string_view bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(ArrayFile, NpyIsFormatOnePointZero) {
  const std::string bytes = written(temporary("a.npy"), kValues);
  ASSERT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const auto byte = [&](std::size_t i) {
    return std::size_t{static_cast<unsigned char>(bytes[i])};
  };
  const std::size_t text_size = byte(8) | byte(9) << 8;
  ASSERT_EQ((10 + text_size) % 64, 0u);
  const std::string text = bytes.substr(10, text_size);
  EXPECT_TRUE(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"))
      << text;
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(floats_of(bytes.substr(10 + text_size)), kValues);
}

TEST(ArrayFile, SafetensorsHeaderCoversTheNumbers) {
  const std::string bytes = written(temporary("a.safetensors"), kValues);
  std::uint64_t text_size = 0;
  std::memcpy(&text_size, bytes.data(), 8);
  ASSERT_EQ(text_size % 8, 0u);
  const Result<json::value> header = parse_json(bytes.substr(8, text_size));
  ASSERT_OK(header);
  const json::value& tensor = header->at("logits");
  EXPECT_EQ(tensor.at("dtype"), "F32");
  EXPECT_EQ(json::serialize(tensor.at("shape")), "[2,3]");
  EXPECT_EQ(json::serialize(tensor.at("data_offsets")), "[0,24]");
  EXPECT_EQ(floats_of(bytes.substr(8 + text_size)), kValues);
}

TEST(ArrayFile, OtherNamesAreRefused) {
  const Result<ArrayFile> file = ArrayFile::create(temporary("a.txt"), "logits", 1, 1);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::kInvalidArgument);
  EXPECT_NE(file.error().message.find(".npy or .safetensors"), std::string::npos);
}

TEST(ArrayFile, AFileThatIsNotCommittedLeavesNothing) {
  const std::filesystem::path folder = temporary("folder");
  std::filesystem::create_directory(folder);
  {
    Result<ArrayFile> file = ArrayFile::create(folder / "a.npy", "logits", 2, 3);
    ASSERT_OK(file);
    EXPECT_OK(file->write(kValues));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace pronk::cli
