#include "quant/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/gguf_file.h"
#include "formats/model_source.h"
#include "formats/model_writer.h"
#include "formats/tensor_names.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

enum class Format { kGguf, kHuggingFace };

bool holds(Format format, DType type) {
  if (format == Format::kGguf) return is_in_gguf(type);
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
}

// Norms stay what they are (GGUF's readers want F32); rows that are no whole number of blocks take
// F16.
DType output_type(const TensorSource& tensor, Format format, const std::optional<DType>& wanted,
                  std::vector<std::string>* notes) {
  const bool is_norm = tensor.rows == 1;
  if (is_norm && format == Format::kGguf) return DType::kF32;
  const bool keeps_own = !wanted || (is_norm && info(*wanted).block_size > 1);
  if (keeps_own)
    return holds(format, tensor.dtype) && !tensor.has_scales() ? tensor.dtype : DType::kF32;
  if (tensor.columns % info(*wanted).block_size == 0) return *wanted;
  notes->push_back(fmt::format("{} has rows of {} values, no whole number of {} blocks; it is F16",
                               tensor.name, tensor.columns, info(*wanted).name));
  return DType::kF16;
}

// Encodes rows and keeps account of what was rounded.
class Encoder {
 public:
  explicit Encoder(ConvertReport* report) : report_(report) {}

  Status encode(const OutputTensor& output, std::int64_t row, std::byte* out) {
    const TensorSource& tensor = *output.tensor;
    report_->num_values += tensor.columns;
    if (tensor.dtype == output.dtype && tensor.copy_row(row, out)) return Ok{};
    const auto n = static_cast<std::size_t>(tensor.columns);
    values_.resize(n);
    stored_.resize(n);
    tensor.read_row(row, values_.data());
    quantize_row(output.dtype, values_.data(), tensor.columns, out);
    dequantize_row(output.dtype, out, tensor.columns, stored_.data());
    return account(tensor.name, output.dtype, row);
  }

 private:
  Status account(const std::string& name, DType type, std::int64_t row) {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const float value = values_[i], stored = stored_[i];
      if (value == stored || (std::isnan(value) && std::isnan(stored))) continue;
      if (!std::isfinite(stored) || !std::isfinite(value)) return cannot_hold(name, type, row);
      ++report_->num_rounded;
      const double difference = std::abs(double{stored} - double{value});
      if (difference <= report_->largest_error) continue;
      report_->largest_error = difference;
      report_->largest_error_in = name;
    }
    return Ok{};
  }

  // Names the value at fault: a NaN spoils its whole block.
  Error cannot_hold(const std::string& name, DType type, std::int64_t row) const {
    const auto odd = std::find_if_not(values_.begin(), values_.end(),
                                      [](float value) { return std::isfinite(value); });
    const auto largest = std::max_element(
        values_.begin(), values_.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    return error(Code::kFailed,
                 fmt::format("{} row {} holds {}, which {} cannot; choose f32 or bf16", name, row,
                             odd != values_.end() ? *odd : *largest, info(type).name));
  }

  ConvertReport* report_;
  std::vector<float> values_, stored_;
};

Status check_type(const std::optional<DType>& type, Format format) {
  if (!type || (can_quantize(*type) && holds(format, *type))) return Ok{};
  return error(
      Code::kUnsupported,
      fmt::format("convert: type {} cannot be written {}; {}", info(*type).name,
                  format == Format::kGguf ? "to GGUF" : "to safetensors",
                  format == Format::kGguf ? "f32 f16 bf16 q4_0 q4_1 q5_0 q5_1 q8_0 can"
                                          : "f32 f16 bf16 can; for others name OUT *.gguf"));
}

}  // namespace

Result<ConvertReport> convert(const fs::path& in, const fs::path& out,
                              const ConvertOptions& options) {
  const Format format = out.extension() == ".gguf" ? Format::kGguf : Format::kHuggingFace;
  PRONK_TRY(check_type(options.type, format));
  const auto source = PRONK_TRY(read_model(in));
  ConvertReport report;
  report.notes = source->notes;

  Encoder encoder(&report);
  WritePlan plan;
  plan.progress = options.progress;
  plan.encode = [&](const OutputTensor& output, std::int64_t row, std::byte* bytes) {
    return encoder.encode(output, row, bytes);
  };
  for (const TensorShape& shape : llama_tensors(source->config)) {
    const TensorSource& tensor = source->tensors.at(shape.name);
    plan.tensors.push_back({&tensor, output_type(tensor, format, options.type, &report.notes)});
  }
  report.bytes = plan.total_bytes();
  PRONK_TRY_IN(fmt::format("convert '{}'", in.string()), format == Format::kGguf
                                                             ? write_gguf(*source, plan, out)
                                                             : write_hf_folder(*source, plan, out));
  return report;
}

}  // namespace pronk
