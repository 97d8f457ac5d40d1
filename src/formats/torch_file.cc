#include "formats/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/zip.h"
#include "formats/pickle.h"

namespace pronk {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t kMaxPickle = 64u << 20;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

std::optional<DType> type_of(std::string_view name) {
  if (name == "torch.FloatStorage" || name == "torch.float32") return DType::kF32;
  if (name == "torch.HalfStorage" || name == "torch.float16") return DType::kF16;
  if (name == "torch.BFloat16Storage" || name == "torch.bfloat16") return DType::kBF16;
  if (name == "torch.float8_e4m3fn") return DType::kF8E4M3;
  return std::nullopt;
}

class Reader {
 public:
  Reader(const ZipArchive& zip, std::string folder) : zip_(zip), folder_(std::move(folder)) {}

  // _rebuild_tensor_v2(storage, offset, size, strides, requires_grad, hooks), and v3 with the type
  // at the end, for storages without one.
  Result<TorchTensor> tensor(const PickleValue& value) const {
    const auto& items = value.items;
    if (items.size() < 4 || !items[0]->is(Kind::kStorage) || !items[1]->is(Kind::kInt))
      return corrupt("it is described by the wrong values");
    const std::string_view storage_type = items[0]->items[1]->text;
    const bool is_untyped = storage_type == "torch.storage.UntypedStorage";
    if (is_untyped && (items.size() < 7 || !items[6]->is(Kind::kGlobal)))
      return corrupt("it has no type");
    const std::string_view type_name = is_untyped ? std::string_view(items[6]->text) : storage_type;
    const auto type = type_of(type_name);
    if (!type)
      return error(Code::kUnsupported,
                   fmt::format("it is of type {}; float32, float16, bfloat16 and float8_e4m3fn are "
                               "supported",
                               type_name));
    TorchTensor tensor{.dtype = *type};
    PRONK_TRY(read_layout(*items[2], *items[3], &tensor));
    const auto storage = PRONK_TRY(storage_bytes(*items[0]));
    PRONK_TRY(place(items[1]->integer, storage, &tensor));
    return tensor;
  }

 private:
  Result<std::span<const std::byte>> storage_bytes(const PickleValue& storage) const {
    const std::string& key = storage.items[2]->text;
    const ZipMember* member = zip_.find(folder_ + "data/" + key);
    if (!member) return corrupt(fmt::format("its storage '{}' is missing", key));
    return zip_.stored(*member);
  }

  static Status read_layout(const PickleValue& size, const PickleValue& strides,
                            TorchTensor* tensor) {
    const std::size_t rank = size.items.size();
    if (!size.is(Kind::kSequence) || !strides.is(Kind::kSequence) || strides.items.size() != rank)
      return corrupt("its size and strides do not fit together");
    if (rank < 1 || rank > 2)
      return error(Code::kUnsupported,
                   fmt::format("it has {} dimensions, 1 or 2 are supported", rank));
    for (const auto* list : {&size.items, &strides.items})
      for (const PickleValue* extent : *list)
        if (!extent->is(Kind::kInt) || extent->integer < 1 || extent->integer > kMaxExtent)
          return corrupt("its size or stride is no positive number");
    tensor->is_vector = rank == 1;
    tensor->rows = rank == 2 ? size.items[0]->integer : 1;
    tensor->columns = size.items[rank - 1]->integer;
    const std::int64_t row_stride = rank == 2 ? strides.items[0]->integer : tensor->columns;
    if (strides.items[rank - 1]->integer != 1 && tensor->columns > 1)
      return error(Code::kUnsupported, "it is stored transposed; save it contiguous");
    tensor->row_stride = row_stride * info(tensor->dtype).block_bytes;
    return Ok{};
  }

  // From the offset (in values) to the last row's end, all within the storage.
  static Status place(std::int64_t offset, std::span<const std::byte> storage,
                      TorchTensor* tensor) {
    const auto value_size = static_cast<std::uint64_t>(info(tensor->dtype).block_bytes);
    const auto stride = static_cast<std::uint64_t>(tensor->row_stride);
    const auto rows = static_cast<std::uint64_t>(tensor->rows);
    const std::uint64_t row_size = static_cast<std::uint64_t>(tensor->columns) * value_size;
    std::uint64_t begin = 0, size = 0;
    if (offset < 0 || !checked_multiply(static_cast<std::uint64_t>(offset), value_size, &begin) ||
        !checked_multiply(rows - 1, stride, &size) || !checked_add(size, row_size, &size) ||
        !lies_within(begin, size, storage.size()))
      return corrupt(fmt::format("[{}, {}] at {} does not lie within its storage of {} bytes",
                                 tensor->rows, tensor->columns, offset, storage.size()));
    tensor->data = storage.data() + begin;
    return Ok{};
  }

  const ZipArchive& zip_;
  std::string folder_;
};

bool begins_with_pickle(std::span<const std::byte> bytes) {
  return bytes.size() > 2 && bytes[0] == std::byte{0x80} && bytes[1] <= std::byte{5};
}

// "NAME/" of "NAME/data.pkl".
Result<std::string> find_folder(const ZipArchive& zip) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const ZipMember& member : zip.members())
    if (member.name == kPickle || member.name.ends_with("/data.pkl"))
      return member.name.substr(0, member.name.size() - kPickle.size());
  return corrupt("the archive has no data.pkl; it is no PyTorch checkpoint");
}

}  // namespace

Result<std::map<std::string, TorchTensor>> read_torch_file(std::span<const std::byte> bytes) {
  if (begins_with_pickle(bytes))
    return error(Code::kUnsupported,
                 "PyTorch's file format from before 1.6; load and save it with a newer PyTorch");
  const ZipArchive zip = PRONK_TRY(ZipArchive::open(bytes));
  const std::string folder = PRONK_TRY(find_folder(zip));
  if (const ZipMember* order = zip.find(folder + "byteorder"))
    if (PRONK_TRY(zip.read(*order, 64)) != "little")
      return error(Code::kUnsupported,
                   "the file is big endian; save it on a little-endian machine");
  const std::string text = PRONK_TRY(zip.read(*zip.find(folder + "data.pkl"), kMaxPickle));
  const Pickle pickle = PRONK_TRY(Pickle::parse(std::as_bytes(std::span(text))));
  const PickleValue& root = pickle.root();
  if (!root.is(Kind::kDict)) return corrupt("the file holds no dictionary of tensors");
  const Reader reader(zip, folder);
  std::map<std::string, TorchTensor> tensors;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue &key = *root.items[i], &value = *root.items[i + 1];
    if (!key.is(Kind::kString) || !value.is(Kind::kTensor)) continue;
    const TorchTensor tensor =
        PRONK_TRY_IN(fmt::format("tensor '{}'", key.text), reader.tensor(value));
    if (!tensors.emplace(key.text, tensor).second)
      return corrupt(fmt::format("tensor '{}' stands twice", key.text));
  }
  return tensors;
}

}  // namespace pronk
