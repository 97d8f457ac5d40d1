#include <fmt/format.h>

#include <cstring>

#include "base/hasher.h"
#include "formats/gguf_writer.h"
#include "formats/packed_fields.h"
#include "formats/packed_file.h"
#include "formats/row_writer.h"
#include "formats/tensor_names.h"
#include "formats/tensor_panels.h"
#include "kernels/pack.h"

namespace pronk {
namespace {

// The fields under their keys.
class FieldWriter {
 public:
  explicit FieldWriter(GgufWriter* out) : out_(*out) {}

  void operator()(const char* key, const std::string& value) {
    out_.add(key, std::string_view(value));
  }
  void operator()(const char* key, int value) { out_.add(key, std::int64_t{value}); }
  void operator()(const char* key, bool value) { out_.add_bool(key, value); }
  void operator()(const char* key, double value) { out_.add(key, value); }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void operator()(const char* key, Enum value) { (*this)(key, static_cast<int>(value)); }
  template <class T>
  void operator()(const char* key, const std::optional<T>& value) {
    if (value) (*this)(key, *value);
  }
  template <class T>
  void operator()(const char* key, const std::vector<T>& values) {
    if (!values.empty()) out_.add(key, std::span<const T>(values));
  }

 private:
  GgufWriter& out_;
};

packed::Fields fields_of(const ModelSource& source) {
  packed::Fields f{source.config, source.tokenizer, {}, {}, source.generation, source.licence};
  for (const ChatTemplateSource& t : source.chat_templates) {
    f.template_names.push_back(t.name);
    f.template_texts.push_back(t.text);
  }
  return f;
}

// A tensor as it will stand: a vector of F32, or panels.
struct Stored {
  const TensorSource* tensor;
  DType type;

  bool is_vector() const { return tensor->rows == 1; }
  std::int64_t num_panels() const { return is_vector() ? 1 : kernels::num_panels(tensor->rows); }
  std::int64_t panel_bytes() const {
    return is_vector() ? row_bytes(type, tensor->columns)
                       : kernels::panel_bytes(type, tensor->columns);
  }
  std::int64_t size_bytes() const { return num_panels() * panel_bytes(); }
};

Result<std::vector<Stored>> plan_tensors(const ModelSource& source) {
  std::vector<Stored> all;
  for (const TensorShape& shape : llama_tensors(source.config)) {
    const TensorSource& t = source.tensors.at(shape.name);
    if (t.has_scales() && !t.fits_f8_scaled())
      return error(Code::kUnsupported,
                   fmt::format("{} is FP8 whose rows or scales are not of whole blocks of 128 "
                               "columns, which a packed file has no place for; convert the model "
                               "to bf16 first (pronk convert --type bf16)",
                               t.name));
    all.push_back({&t, t.rows == 1 ? DType::kF32 : panel_type(t)});
  }
  return all;
}

// Appends to a file and to its checksum.
class SummedFile {
 public:
  explicit SummedFile(AtomicFile file) : file_(std::move(file)) {}
  Status write(std::span<const std::byte> bytes) {
    hasher_.add(bytes);
    return file_.write(bytes);
  }
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  Status commit() {
    PRONK_TRY(file_.write(hasher_.bytes()));
    return file_.commit();
  }

 private:
  AtomicFile file_;
  Hasher hasher_{Hasher::Kind::kSha256};
};

std::string head_bytes(std::uint64_t file_size) {
  const std::uint32_t version = packed::kVersion, layout = kernels::kPanelLayout;
  std::string head(packed::kHeadBytes, '\0');
  std::memcpy(&head[0], packed::kMagic, sizeof packed::kMagic - 1);
  std::memcpy(&head[8], &version, sizeof version);
  std::memcpy(&head[12], &layout, sizeof layout);
  std::memcpy(&head[16], &file_size, sizeof file_size);
  return head;
}

Status write_tensor(const ModelSource& source, const Stored& stored,
                    const std::function<void(std::int64_t)>& wrote, SummedFile* file) {
  constexpr std::int64_t kBufferBytes = 1 << 20;
  PanelScratch scratch;
  const std::int64_t each = stored.panel_bytes();
  const std::int64_t at_once = std::max<std::int64_t>(1, kBufferBytes / each);
  std::vector<std::byte> buffer(static_cast<std::size_t>(at_once * each));
  for (std::int64_t p = 0; p < stored.num_panels(); p += at_once) {
    const std::int64_t count = std::min(at_once, stored.num_panels() - p);
    if (stored.is_vector())
      stored.tensor->read_row(0, reinterpret_cast<float*>(buffer.data()));
    else
      pack_panels(source, *stored.tensor, stored.type, p, p + count, scratch, buffer.data());
    PRONK_TRY(file->write(std::span(buffer).first(static_cast<std::size_t>(count * each))));
    wrote(count * each);
  }
  return file->write(std::string(
      GgufWriter::padding(static_cast<std::uint64_t>(stored.size_bytes()), packed::kAlignment),
      '\0'));
}

}  // namespace

Status write_packed(const ModelSource& source, const std::filesystem::path& path,
                    const PackProgress& progress) {
  PRONK_TRY(check_absent(path));
  const std::vector<Stored> tensors = PRONK_TRY(plan_tensors(source));
  GgufWriter container(packed::kAlignment);
  packed::Fields fields = fields_of(source);
  packed::for_each_field(fields, FieldWriter(&container));
  std::int64_t total = 0;
  for (const Stored& t : tensors) {
    container.add_tensor(t.tensor->name, t.type, t.tensor->rows, t.tensor->columns, t.size_bytes());
    total += t.size_bytes();
  }

  const std::string container_head = container.head();
  SummedFile file(PRONK_TRY(AtomicFile::create(path)));
  PRONK_TRY(file.write(head_bytes(packed::kHeadBytes + container_head.size() +
                                  container.data_size() + packed::kSumBytes)));
  PRONK_TRY(file.write(container_head));
  std::int64_t done = 0;
  const auto wrote = [&](std::int64_t bytes) {
    done += bytes;
    if (progress) progress(done, total);
  };
  for (const Stored& t : tensors) PRONK_TRY(write_tensor(source, t, wrote, &file));
  PRONK_TRY(source.check_intact());
  return file.commit();
}

}  // namespace pronk
