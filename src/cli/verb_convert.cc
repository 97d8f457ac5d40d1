// pronk convert IN OUT: a model from one file format to another.
#include <fmt/format.h>

#include "cli/io.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "quant/convert.h"
#include "tensor/dequantize.h"

namespace pronk::cli {
namespace {

// FP8 would need its scales beside it.
bool is_writable(DType type) { return can_quantize(type) && type != DType::kF8E4M3; }

std::string writable_types() {
  std::vector<std::string_view> names;
  for (int i = 0; i < kNumDTypes; ++i)
    if (const auto type = static_cast<DType>(i); is_writable(type))
      names.emplace_back(info(type).name);
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<std::optional<DType>> type_asked_for(const Options& options) {
  const std::optional<std::string> name = options.find_text("type");
  if (!name) return std::optional<DType>();
  const std::optional<DType> type = dtype_from_name(*name);
  if (type && is_writable(*type)) return type;
  return error(Code::kInvalidArgument,
               fmt::format("convert: --type '{}': {}, needs one of {}", *name,
                           type ? "cannot be written" : "unknown", writable_types()));
}

void tell(Console& console, const std::string& out, const ConvertReport& report) {
  for (const std::string& note : report.notes) console.note(note);
  if (report.num_rounded > 0)
    console.note(fmt::format("{} of {} values were rounded, by at most {:.3g} (in {})",
                             report.num_rounded, report.num_values, report.largest_error,
                             report.largest_error_in));
  else
    console.note(fmt::format("all {} values are kept exactly", report.num_values));
  console.note(fmt::format("{}: {}", out, format_bytes(report.bytes)));
}

Status run(Context& context) {
  const Options& arguments = context.options;
  const std::filesystem::path in = PRONK_TRY(find_model(context.console, arguments.argument(0)));
  const std::filesystem::path out = arguments.argument(1);
  Progress progress(context.console, fmt::format("convert {}", arguments.argument(0)),
                    ProgressUnit::kBytes);
  const InterruptScope interruptible;
  ConvertOptions options;
  options.type = PRONK_TRY(type_asked_for(arguments));
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (noted_signal()) leave_nothing_behind(out);
    progress.update(done, total);
  };
  const ConvertReport report = PRONK_TRY(convert(in, out, options));
  progress.finish();
  tell(context.console, out.string(), report);
  return Ok{};
}

}  // namespace

const Verb kConvertVerb = {
    .name = "convert",
    .alias = {},
    .group = "Models",
    .summary = "write a model as GGUF or as a Hugging Face folder",
    .arguments = {{"IN", ArgumentKind::kModel}, {"OUT", ArgumentKind::kFile}},
    .groups = {{"Output",
                {{.name = "type",
                  .kind = ValueKind::kText,
                  .value = "TYPE",
                  .help = "of the matrices: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0; "
                          "without: as they are, where the format can hold it"}}}},
    .notes =
        "OUT ending in .gguf is a GGUF file, anything else a folder.\nWhat was rounded is said.",
    .run = run,
};

}  // namespace pronk::cli
