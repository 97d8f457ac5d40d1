#include "formats/gguf_file.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "base/bytes.h"
#include "text/utf8.h"

namespace pronk {
namespace {

constexpr std::uint64_t kMaxPairs = 1u << 16, kMaxTensors = 1u << 20, kMaxKey = 65535,
                        kMaxTensorName = 255, kDefaultAlignment = 32, kMaxAlignment = 1u << 20;

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

// Numbers from here on are pronk's own, for packed files.
constexpr std::uint32_t kOwnTypes = 0x70000000;

struct GgmlType {
  std::uint32_t number;
  const char* name;
};

// Those that are not supported are here to be called by name.
constexpr GgmlType kGgmlTypes[] = {
    {0, "F32"},     {1, "F16"},      {2, "Q4_0"},
    {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},     {10, "Q2_K"},
    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},    {16, "IQ2_XXS"},
    {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"},   {22, "IQ2_S"},
    {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},     {28, "F64"},
    {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"},   {kOwnTypes, "F8_SCALED"},
};

// Bytes of a number; 0 for strings and arrays.
std::uint64_t size_of(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      break;
  }
  return 0;
}

const char* type_name(GgufType type) {
  constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::uint32_t>(type)];
}

Result<GgufType> read_type(ByteReader* in) {
  const auto number = PRONK_TRY(in->number<std::uint32_t>());
  if (number > static_cast<std::uint32_t>(GgufType::kF64))
    return corrupt(
        fmt::format("byte {}: value type {} does not exist", in->position() - 4, number));
  return static_cast<GgufType>(number);
}

Result<std::string> read_name(ByteReader* in, std::uint64_t max_bytes) {
  const auto size = PRONK_TRY(in->number<std::uint64_t>());
  if (size > max_bytes)
    return corrupt(fmt::format("byte {}: a name of {} bytes, {} are possible", in->position() - 8,
                               size, max_bytes));
  return std::string(PRONK_TRY(in->text(size)));
}

Result<GgufValue> read_array(ByteReader* in, std::span<const std::byte> bytes) {
  GgufValue value{.type = GgufType::kArray};
  value.element = PRONK_TRY(read_type(in));
  value.count = PRONK_TRY(in->number<std::uint64_t>());
  if (value.element == GgufType::kArray)
    return error(Code::kUnsupported, "arrays of arrays are not supported");
  const std::size_t begin = in->position();
  if (value.element == GgufType::kString) {
    if (value.count > in->left() / 8)
      return corrupt(fmt::format("{} strings cannot lie in the {} bytes that are left", value.count,
                                 in->left()));
    for (std::uint64_t i = 0; i < value.count; ++i) PRONK_TRY(in->counted_text());
  } else {
    std::uint64_t size = 0;
    if (!checked_multiply(value.count, size_of(value.element), &size))
      return corrupt(fmt::format("an array of {} elements is not possible", value.count));
    PRONK_TRY(in->take(size));
  }
  value.bytes = bytes.subspan(begin, in->position() - begin);
  return value;
}

Result<GgufValue> read_value(ByteReader* in, std::span<const std::byte> bytes) {
  const GgufType type = PRONK_TRY(read_type(in));
  if (type == GgufType::kArray) return read_array(in, bytes);
  const std::uint64_t size =
      type == GgufType::kString ? PRONK_TRY(in->number<std::uint64_t>()) : size_of(type);
  return GgufValue{.type = type, .bytes = PRONK_TRY(in->take(size))};
}

// Dimensions are columns first; more than two are rows of rows.
Result<GgufTensor> read_tensor(ByteReader* in) {
  GgufTensor tensor;
  tensor.name = PRONK_TRY(read_name(in, kMaxTensorName));
  const auto num_dimensions = PRONK_TRY(in->number<std::uint32_t>());
  if (num_dimensions < 1 || num_dimensions > 4)
    return corrupt(fmt::format("tensor '{}' has {} dimensions, 1 to 4 are possible", tensor.name,
                               num_dimensions));
  tensor.num_dimensions = static_cast<int>(num_dimensions);
  std::uint64_t rows = 1;
  for (std::uint32_t i = 0; i < num_dimensions; ++i) {
    const auto extent = PRONK_TRY(in->number<std::uint64_t>());
    constexpr std::uint64_t kMaxExtent = std::uint64_t{1} << 40;
    if (extent < 1 || extent > kMaxExtent ||
        (i > 0 && (!checked_multiply(rows, extent, &rows) || rows > kMaxExtent)))
      return corrupt(fmt::format("tensor '{}' has an impossible size {}", tensor.name, extent));
    if (i == 0) tensor.columns = static_cast<std::int64_t>(extent);
  }
  tensor.rows = static_cast<std::int64_t>(rows);
  tensor.type = PRONK_TRY(in->number<std::uint32_t>());
  tensor.offset = PRONK_TRY(in->number<std::uint64_t>());
  return tensor;
}

// Turns the offset into one from the start of the file, once the whole tensor lies in the file.
Status place(GgufTensor* tensor, std::uint64_t data_begin, std::uint64_t alignment,
             std::uint64_t file_size) {
  if (tensor->offset % alignment != 0)
    return corrupt(fmt::format("tensor '{}' lies at {}, not a multiple of the alignment {}",
                               tensor->name, tensor->offset, alignment));
  std::uint64_t size = 0;
  if (const auto type = dtype_from_ggml(tensor->type)) {
    const DTypeInfo& layout = info(*type);
    if (tensor->columns % layout.block_size != 0)
      return corrupt(
          fmt::format("tensor '{}' has rows of {} values, no whole number of {} blocks "
                      "of {}",
                      tensor->name, tensor->columns, layout.name, layout.block_size));
    const auto bytes_per_row = static_cast<std::uint64_t>(row_bytes(*type, tensor->columns));
    if (!checked_multiply(bytes_per_row, static_cast<std::uint64_t>(tensor->rows), &size))
      return corrupt(fmt::format("tensor '{}' has an impossible size", tensor->name));
  }
  if (!checked_add(tensor->offset, data_begin, &tensor->offset) ||
      !lies_within(tensor->offset, size, file_size))
    return corrupt(
        fmt::format("tensor '{}' needs {} bytes at {}, the file has {}; the file is cut "
                    "short or damaged",
                    tensor->name, size, tensor->offset, file_size));
  return Ok{};
}

std::int64_t to_integer(const GgufValue& value) {
  const std::byte* p = value.bytes.data();
  switch (value.type) {
    case GgufType::kU8:
      return load_le<std::uint8_t>(p);
    case GgufType::kI8:
      return load_le<std::int8_t>(p);
    case GgufType::kU16:
      return load_le<std::uint16_t>(p);
    case GgufType::kI16:
      return load_le<std::int16_t>(p);
    case GgufType::kU32:
      return load_le<std::uint32_t>(p);
    case GgufType::kI32:
      return load_le<std::int32_t>(p);
    default:
      return load_le<std::int64_t>(p);
  }
}

bool is_integer(GgufType type) {
  return size_of(type) > 0 && type != GgufType::kF32 && type != GgufType::kF64 &&
         type != GgufType::kBool;
}

// A float32 in a file stands for the decimal that somebody wrote: 1e-05, not
// 9.999999747378752e-06.
double shortest_decimal(float value) {
  const std::string text = fmt::format("{}", value);
  double decimal = value;
  std::from_chars(text.data(), text.data() + text.size(), decimal);
  return decimal;
}

Error wrong_type(std::string_view key, const GgufValue& value, std::string_view wanted) {
  return corrupt(
      fmt::format("'{}' is of type {}, {} is needed", key, type_name(value.type), wanted));
}

}  // namespace

std::optional<DType> dtype_from_ggml(std::uint32_t type) {
  for (const GgmlType& known : kGgmlTypes)
    if (known.number == type) return dtype_from_name(known.name);
  return std::nullopt;
}

std::uint32_t ggml_from_dtype(DType type) {
  for (const GgmlType& known : kGgmlTypes)
    if (std::string_view(known.name) == info(type).name) return known.number;
  PRONK_CHECK(false, "GGUF has no such tensor type");
  return 0;
}

std::string ggml_type_name(std::uint32_t type) {
  for (const GgmlType& known : kGgmlTypes)
    if (known.number == type) return known.name;
  return fmt::format("number {}", type);
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes) {
  GgufFile file;
  file.bytes_ = bytes;
  ByteReader in(bytes);
  if (PRONK_TRY(in.text(4)) != "GGUF") return corrupt("the file does not begin with GGUF");
  file.version_ = PRONK_TRY(in.number<std::uint32_t>());
  if (file.version_ != 0 && (file.version_ & 0xffff) == 0)
    return error(Code::kUnsupported,
                 "the file is big endian; convert it to little endian (gguf-convert-endian)");
  if (file.version_ < 2 || file.version_ > 3)
    return error(Code::kUnsupported, fmt::format("GGUF version {}; 2 and 3 are supported; fetch a "
                                                 "newer conversion of the model",
                                                 file.version_));
  const auto num_tensors = PRONK_TRY(in.number<std::uint64_t>());
  const auto num_pairs = PRONK_TRY(in.number<std::uint64_t>());
  if (num_tensors > kMaxTensors || num_pairs > kMaxPairs)
    return corrupt(fmt::format("{} tensors and {} metadata pairs; {} and {} are possible",
                               num_tensors, num_pairs, kMaxTensors, kMaxPairs));
  for (std::uint64_t i = 0; i < num_pairs; ++i) {
    std::string key = PRONK_TRY_IN("metadata", read_name(&in, kMaxKey));
    GgufValue value =
        PRONK_TRY_IN(fmt::format("metadata '{}'", printable(key)), read_value(&in, bytes));
    if (!file.metadata_.emplace(key, value).second)
      return corrupt(fmt::format("metadata '{}' stands twice", key));
  }
  for (std::uint64_t i = 0; i < num_tensors; ++i)
    file.tensors_.push_back(PRONK_TRY_IN("tensor list", read_tensor(&in)));

  const auto alignment = static_cast<std::uint64_t>(
      PRONK_TRY(file.integer("general.alignment")).value_or(kDefaultAlignment));
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment)
    return corrupt(fmt::format("general.alignment is {}, a power of two is needed", alignment));
  const std::uint64_t data_begin = (in.position() + alignment - 1) / alignment * alignment;
  for (GgufTensor& tensor : file.tensors_)
    PRONK_TRY(place(&tensor, data_begin, alignment, bytes.size()));
  return file;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

Result<std::optional<std::int64_t>> GgufFile::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<std::int64_t>();
  if (!is_integer(value->type)) return wrong_type(key, *value, "an integer");
  return std::optional(to_integer(*value));
}

Result<std::optional<double>> GgufFile::real(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<double>();
  if (value->type == GgufType::kF32)
    return std::optional(shortest_decimal(load_le<float>(value->bytes.data())));
  if (value->type == GgufType::kF64) return std::optional(load_le<double>(value->bytes.data()));
  if (is_integer(value->type)) return std::optional(static_cast<double>(to_integer(*value)));
  return wrong_type(key, *value, "a number");
}

Result<std::optional<bool>> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<bool>();
  if (value->type != GgufType::kBool) return wrong_type(key, *value, "a bool");
  return std::optional(load_le<std::uint8_t>(value->bytes.data()) != 0);
}

Result<std::optional<std::string>> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::optional<std::string>();
  if (value->type != GgufType::kString) return wrong_type(key, *value, "a string");
  return std::optional(
      std::string(reinterpret_cast<const char*>(value->bytes.data()), value->bytes.size()));
}

Result<std::vector<std::string>> GgufFile::strings(std::string_view key) const {
  std::vector<std::string> all;
  const GgufValue* value = find(key);
  if (!value) return all;
  if (value->type != GgufType::kArray || (value->element != GgufType::kString && value->count > 0))
    return wrong_type(key, *value, "an array of strings");
  all.reserve(value->count);
  ByteReader in(value->bytes);
  for (std::uint64_t i = 0; i < value->count; ++i) all.emplace_back(PRONK_TRY(in.counted_text()));
  return all;
}

Result<std::vector<float>> GgufFile::floats(std::string_view key) const {
  std::vector<float> all;
  const GgufValue* value = find(key);
  if (!value || (value->type == GgufType::kArray && value->count == 0)) return all;
  if (value->type != GgufType::kArray || value->element != GgufType::kF32)
    return wrong_type(key, *value, "an array of f32");
  all.resize(value->count);
  std::memcpy(all.data(), value->bytes.data(), value->bytes.size());
  return all;
}

Result<std::vector<std::int32_t>> GgufFile::integers(std::string_view key) const {
  std::vector<std::int32_t> all;
  const GgufValue* value = find(key);
  if (!value || (value->type == GgufType::kArray && value->count == 0)) return all;
  if (value->type != GgufType::kArray ||
      (value->element != GgufType::kI32 && value->element != GgufType::kU32))
    return wrong_type(key, *value, "an array of i32");
  all.resize(value->count);
  std::memcpy(all.data(), value->bytes.data(), value->bytes.size());
  return all;
}

}  // namespace pronk
