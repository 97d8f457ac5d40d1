#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "text/json.h"

namespace pronk {
namespace {

constexpr std::uint64_t kMaxHeader = 100u << 20;  // the format's own limit
constexpr std::size_t kMaxDimensions = 8;

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

struct Type {
  const char* name;
  std::uint64_t bytes;
};
constexpr Type kTypes[] = {{"F64", 8},     {"F32", 4},     {"F16", 2},     {"BF16", 2},
                           {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"I64", 8},
                           {"I32", 4},     {"I16", 2},     {"I8", 1},      {"U64", 8},
                           {"U32", 4},     {"U16", 2},     {"U8", 1},      {"BOOL", 1}};

// An array of integers in [0, 2^62).
Result<std::vector<std::int64_t>> read_integers(const json::value& entry, std::string_view key,
                                                std::size_t max_count) {
  const json::array* array = find_array(entry, key);
  if (!array || array->size() > max_count)
    return corrupt(fmt::format("'{}' is no list of at most {} numbers", key, max_count));
  std::vector<std::int64_t> numbers;
  for (const json::value& value : *array) {
    const std::int64_t* number = value.if_int64();
    if (!number || *number < 0 || *number > std::int64_t{1} << 62)
      return corrupt(fmt::format("'{}' holds a value that is no size", key));
    numbers.push_back(*number);
  }
  return numbers;
}

Result<SafetensorsEntry> read_entry(const json::value& value, std::span<const std::byte> data) {
  SafetensorsEntry entry;
  const json::string* type = find_string(value, "dtype");
  if (!type) return corrupt("it has no 'dtype'");
  entry.type = std::string(*type);
  const auto known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Type& t) { return entry.type == t.name; });
  if (known == std::end(kTypes))
    return error(Code::kUnsupported, fmt::format("type '{}' is not known", entry.type));
  entry.shape = PRONK_TRY(read_integers(value, "shape", kMaxDimensions));
  std::uint64_t size = known->bytes;
  for (const std::int64_t extent : entry.shape)
    if (!checked_multiply(size, static_cast<std::uint64_t>(extent), &size))
      return corrupt("its shape is larger than any file");

  const auto offsets = PRONK_TRY(read_integers(value, "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    return corrupt("'data_offsets' is no begin and end");
  const auto begin = static_cast<std::uint64_t>(offsets[0]);
  const auto end = static_cast<std::uint64_t>(offsets[1]);
  if (end - begin != size)
    return corrupt(
        fmt::format("its type and shape need {} bytes, its offsets give {}", size, end - begin));
  if (end > data.size())
    return corrupt(
        fmt::format("it ends at byte {} of {}; the file is cut short", end, data.size()));
  entry.data = data.subspan(begin, size);
  return entry;
}

// As the format demands: every byte of the data belongs to exactly one entry.
Status check_cover(const SafetensorsFile& file, std::span<const std::byte> data) {
  std::vector<std::span<const std::byte>> parts;
  for (const auto& [name, entry] : file.entries)
    if (!entry.data.empty()) parts.push_back(entry.data);
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.data() < b.data(); });
  const std::byte* at = data.data();
  for (const auto& part : parts) {
    if (part.data() != at)
      return corrupt(fmt::format("byte {} of the data belongs to {}", at - data.data(),
                                 part.data() < at ? "two tensors" : "no tensor"));
    at += part.size();
  }
  if (at != data.data() + data.size())
    return corrupt(
        fmt::format("{} bytes behind the last tensor; the file is of another model or damaged",
                    data.data() + data.size() - at));
  return Ok{};
}

}  // namespace

std::int64_t SafetensorsEntry::num_values() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape) n *= extent;
  return n;
}

std::optional<DType> dtype_from_safetensors(std::string_view type) {
  for (const DType known : {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E4M3})
    if (type == safetensors_type(known)) return known;
  return std::nullopt;
}

std::string_view safetensors_type(DType type) {
  switch (type) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kF8E4M3:
      return "F8_E4M3";
    default:
      PRONK_CHECK(false, "safetensors has no such type");
      return "";
  }
}

Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  const auto header_size = PRONK_TRY(in.number<std::uint64_t>());
  if (header_size > kMaxHeader)
    return corrupt(fmt::format("a header of {} bytes, {} are possible", header_size, kMaxHeader));
  const std::string_view text = PRONK_TRY(in.text(header_size));
  const json::value header = PRONK_TRY_IN("header", parse_json(text));
  const json::object* members = header.if_object();
  if (!members) return corrupt("the header is no JSON object");
  const auto data = bytes.subspan(in.position());
  SafetensorsFile file;
  for (const auto& [name, value] : *members) {
    if (name == "__metadata__") continue;
    file.entries.emplace(
        std::string(name),
        PRONK_TRY_IN(fmt::format("tensor '{}'", std::string_view(name)), read_entry(value, data)));
  }
  PRONK_TRY(check_cover(file, data));
  return file;
}

}  // namespace pronk
