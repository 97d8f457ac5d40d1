#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/hasher.h"
#include "formats/assemble.h"
#include "formats/gguf_file.h"
#include "formats/gguf_reader.h"
#include "formats/packed_fields.h"
#include "formats/packed_file.h"
#include "kernels/pack.h"

namespace pronk {
namespace {

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

Error other_version(const char* what, std::uint32_t found, std::uint32_t read_here) {
  return error(Code::kUnsupported,
               fmt::format("the packed file is of {} {}, this program reads {}; pack the model "
                           "again from its own file (pronk pack)",
                           what, found, read_here));
}

Status check_head(std::span<const std::byte> bytes) {
  if (bytes.size() < packed::kHeadBytes + packed::kSumBytes)
    return corrupt(fmt::format("a packed file of {} bytes, at least {} are needed; it is cut short",
                               bytes.size(), packed::kHeadBytes + packed::kSumBytes));
  const auto version = load_le<std::uint32_t>(bytes.data() + 8);
  if (version != packed::kVersion) return other_version("version", version, packed::kVersion);
  const auto layout = load_le<std::uint32_t>(bytes.data() + 12);
  if (layout != kernels::kPanelLayout)
    return other_version("panel layout", layout, kernels::kPanelLayout);
  const auto size = load_le<std::uint64_t>(bytes.data() + 16);
  if (size != bytes.size())
    return corrupt(
        fmt::format("the packed file has {} bytes, its head says {}; it is cut short or "
                    "damaged: pack the model again",
                    bytes.size(), size));
  const auto rest = bytes.subspan(24, packed::kHeadBytes - 24);
  if (std::any_of(rest.begin(), rest.end(), [](std::byte b) { return b != std::byte{0}; }))
    return corrupt("bytes 24 to 63 of the packed file are not zero; it is damaged");
  return Ok{};
}

// The fields from their keys; the first thing wrong stays in `status`.
class FieldReader {
 public:
  explicit FieldReader(const GgufFile& file) : file_(file) {}

  template <class T>
  void operator()(const char* key, T& value) {
    if (!status) return;
    auto found = find(key, &value);
    if (!found)
      status = found.error();
    else if (!*found)
      status = corrupt(fmt::format("metadata '{}' is missing", key));
  }
  template <class T>
  void operator()(const char* key, std::optional<T>& value) {
    if (!status) return;
    T present{};
    auto found = find(key, &present);
    if (!found)
      status = found.error();
    else if (*found)
      value = present;
  }
  template <class T>
  void operator()(const char* key, std::vector<T>& values) {
    if (!status) return;
    auto found = list(key, &values);
    if (!found)
      status = found.error();
    else
      values = *std::move(found);
  }

  Status status = Ok{};

 private:
  // Each gives whether the key is there.
  Result<bool> find(const char* key, std::string* value) {
    return set(PRONK_TRY(file_.string(key)), value);
  }
  Result<bool> find(const char* key, bool* value) {
    return set(PRONK_TRY(file_.boolean(key)), value);
  }
  Result<bool> find(const char* key, double* value) {
    return set(PRONK_TRY(file_.real(key)), value);
  }
  Result<bool> find(const char* key, int* value) {
    const auto found = PRONK_TRY(file_.integer(key));
    if (found &&
        (*found < std::numeric_limits<int>::min() || *found > std::numeric_limits<int>::max()))
      return corrupt(fmt::format("metadata '{}' is {}, which is not possible", key, *found));
    return set(found, value);
  }
  template <class Enum>
  requires std::is_enum_v<Enum> Result<bool> find(const char* key, Enum* value) {
    int number = 0;
    if (!PRONK_TRY(find(key, &number))) return false;
    if (number < 0 || number > packed::last_of(Enum{}))
      return corrupt(fmt::format("metadata '{}' is {}, known are 0 to {}", key, number,
                                 packed::last_of(Enum{})));
    *value = static_cast<Enum>(number);
    return true;
  }
  template <class Found, class T>
  static bool set(Found&& found, T* value) {
    if (found) *value = static_cast<T>(*std::forward<Found>(found));
    return found.has_value();
  }

  Result<std::vector<std::string>> list(const char* key, std::vector<std::string>*) {
    return file_.strings(key);
  }
  Result<std::vector<float>> list(const char* key, std::vector<float>*) {
    return file_.floats(key);
  }
  Result<std::vector<std::int32_t>> list(const char* key, std::vector<std::int32_t>*) {
    return file_.integers(key);
  }

  const GgufFile& file_;
};

Status read_fields(const GgufFile& file, ModelSource* source) {
  packed::Fields fields;
  FieldReader reader(file);
  packed::for_each_field(fields, reader);
  PRONK_TRY(std::move(reader.status));
  if (fields.template_names.size() != fields.template_texts.size())
    return corrupt(fmt::format("{} chat templates have {} names", fields.template_texts.size(),
                               fields.template_names.size()));
  for (std::size_t i = 0; i < fields.template_names.size(); ++i)
    source->chat_templates.push_back(
        {std::move(fields.template_names[i]), std::move(fields.template_texts[i])});
  source->config = std::move(fields.config);
  source->tokenizer = std::move(fields.tokenizer);
  source->generation = fields.generation;
  source->licence = std::move(fields.licence);
  return check_gguf_tokenizer(source->tokenizer);
}

// The container checked that the rows as such lie in the file; panels may take a little more.
Status check_panels(const GgufTensor& stored, DType type, std::uint64_t available) {
  std::uint64_t size = 0;
  const auto each = static_cast<std::uint64_t>(kernels::panel_bytes(type, stored.columns));
  if (!checked_multiply(each, static_cast<std::uint64_t>(kernels::num_panels(stored.rows)),
                        &size) ||
      !lies_within(stored.offset, size, available))
    return corrupt(fmt::format("tensor '{}' does not lie in the file; it is damaged", stored.name));
  return Ok{};
}

Status add_tensor(const GgufFile& file, const GgufTensor& stored, ModelSource* source) {
  const auto type = dtype_from_ggml(stored.type);
  if (!type)
    return error(Code::kUnsupported, fmt::format("tensor '{}' is of type {}", stored.name,
                                                 ggml_type_name(stored.type)));
  TensorSource tensor{
      .name = stored.name, .dtype = *type, .rows = stored.rows, .columns = stored.columns};
  const std::byte* data = file.bytes().data() + stored.offset;
  if (stored.rows == 1) {
    tensor.pieces.push_back({.num_rows = 1,
                             .num_columns = stored.columns,
                             .data = data,
                             .row_stride = row_bytes(*type, stored.columns)});
  } else {
    PRONK_TRY(check_panels(stored, *type, file.bytes().size()));
    if (stored.offset % packed::kAlignment != 0)
      return corrupt(fmt::format("tensor '{}' lies at {}, a multiple of {} is needed", stored.name,
                                 stored.offset, packed::kAlignment));
    tensor.panels = data;
  }
  if (!source->tensors.emplace(stored.name, std::move(tensor)).second)
    return corrupt(fmt::format("tensor '{}' stands twice", stored.name));
  return Ok{};
}

}  // namespace

bool is_packed(std::span<const std::byte> bytes) {
  constexpr std::size_t kSize = sizeof packed::kMagic - 1;
  return bytes.size() >= kSize && std::memcmp(bytes.data(), packed::kMagic, kSize) == 0;
}

Status read_packed_bytes(std::span<const std::byte> bytes, const ReadOptions& options,
                         ModelSource* source) {
  if (!is_packed(bytes)) return corrupt("the file does not begin as a packed file does");
  PRONK_TRY(check_head(bytes));
  const GgufFile file = PRONK_TRY(GgufFile::parse(
      bytes.subspan(packed::kHeadBytes, bytes.size() - packed::kHeadBytes - packed::kSumBytes)));
  source->format = fmt::format("pronk packed v{}", packed::kVersion);
  PRONK_TRY(read_fields(file, source));
  PRONK_TRY(check_config(source->config));
  if (options.weights) {
    for (const GgufTensor& stored : file.tensors()) PRONK_TRY(add_tensor(file, stored, source));
    PRONK_TRY(check_tensors(*source));
  }
  return check_vocabulary(source);
}

Status read_packed(const std::filesystem::path& path, const ReadOptions& options,
                   ModelSource* source) {
  source->files.push_back(PRONK_TRY(MappedFile::open(path)));
  return read_packed_bytes(source->files[0]->bytes(), options, source);
}

Status check_sum(const ModelSource& source) {
  if (source.files.size() != 1 || !is_packed(source.files[0]->bytes())) return Ok{};
  const auto bytes = source.files[0]->bytes();
  const auto summed = bytes.first(bytes.size() - packed::kSumBytes);
  Hasher hasher(Hasher::Kind::kSha256);
  hasher.add(summed);
  const std::string sum = hasher.bytes();
  if (std::memcmp(sum.data(), summed.data() + summed.size(), packed::kSumBytes) != 0)
    return corrupt(
        "the packed file's SHA-256 is not the one at its end; it is damaged: pack the "
        "model again");
  return Ok{};
}

}  // namespace pronk
