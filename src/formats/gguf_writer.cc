#include "formats/gguf_writer.h"

namespace pronk {
namespace {

template <class T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string* out, std::string_view text) {
  put<std::uint64_t>(out, text.size());
  out->append(text);
}

template <class T>
void put_all(std::string* out, std::span<const T> values) {
  out->append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

}  // namespace

GgufWriter::GgufWriter(std::uint64_t alignment) : alignment_(alignment) {
  if (alignment != kAlignment) add("general.alignment", static_cast<std::uint32_t>(alignment));
}

void GgufWriter::begin(std::string_view key, GgufType type) {
  put_text(&pairs_, key);
  put(&pairs_, static_cast<std::uint32_t>(type));
  ++num_pairs_;
}

void GgufWriter::begin_array(std::string_view key, GgufType element, std::size_t count) {
  begin(key, GgufType::kArray);
  put(&pairs_, static_cast<std::uint32_t>(element));
  put<std::uint64_t>(&pairs_, count);
}

void GgufWriter::add(std::string_view key, std::string_view value) {
  begin(key, GgufType::kString);
  put_text(&pairs_, value);
}

void GgufWriter::add(std::string_view key, std::uint32_t value) {
  begin(key, GgufType::kU32);
  put(&pairs_, value);
}

void GgufWriter::add(std::string_view key, std::int64_t value) {
  begin(key, GgufType::kI64);
  put(&pairs_, value);
}

void GgufWriter::add(std::string_view key, double value) {
  begin(key, GgufType::kF64);
  put(&pairs_, value);
}

void GgufWriter::add(std::string_view key, float value) {
  begin(key, GgufType::kF32);
  put(&pairs_, value);
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  begin(key, GgufType::kBool);
  put<std::uint8_t>(&pairs_, value);
}

void GgufWriter::add(std::string_view key, std::span<const std::string> values) {
  begin_array(key, GgufType::kString, values.size());
  for (const std::string& value : values) put_text(&pairs_, value);
}

void GgufWriter::add(std::string_view key, std::span<const float> values) {
  begin_array(key, GgufType::kF32, values.size());
  put_all(&pairs_, values);
}

void GgufWriter::add(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, GgufType::kI32, values.size());
  put_all(&pairs_, values);
}

void GgufWriter::add_tensor(std::string_view name, DType type, std::int64_t rows,
                            std::int64_t columns, std::int64_t size_bytes) {
  put_text(&tensors_, name);
  put<std::uint32_t>(&tensors_, rows == 1 ? 1 : 2);
  put<std::uint64_t>(&tensors_, static_cast<std::uint64_t>(columns));
  if (rows != 1) put<std::uint64_t>(&tensors_, static_cast<std::uint64_t>(rows));
  put(&tensors_, ggml_from_dtype(type));
  put(&tensors_, data_size_);
  const auto size = static_cast<std::uint64_t>(size_bytes);
  data_size_ += size + padding(size, alignment_);
  ++num_tensors_;
}

std::string GgufWriter::head() const {
  std::string out = "GGUF";
  put<std::uint32_t>(&out, 3);
  put(&out, num_tensors_);
  put(&out, num_pairs_);
  out += pairs_;
  out += tensors_;
  out.append(padding(out.size(), alignment_), '\0');
  return out;
}

}  // namespace pronk
