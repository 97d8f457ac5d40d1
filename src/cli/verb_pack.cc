// pronk pack MODEL [OUT]: a model as a file that loads by being mapped.
#include <fmt/format.h>

#include "cli/io.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "formats/packed_file.h"

namespace pronk::cli {
namespace {

// In the current folder, called as the model's file or folder is.
std::filesystem::path default_output(const std::filesystem::path& model) {
  std::error_code failure;
  std::filesystem::path whole = std::filesystem::absolute(model, failure).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  const bool is_folder = std::filesystem::is_directory(whole, failure);
  return (is_folder ? whole.filename() : whole.stem()).string() + ".pronk";
}

Status run(Context& context) {
  const Options& arguments = context.options;
  const std::string name = arguments.argument(0);
  const std::filesystem::path in = PRONK_TRY(find_model(context.console, name));
  const std::filesystem::path out = arguments.arguments().size() > 1
                                        ? std::filesystem::path(arguments.argument(1))
                                        : default_output(in);
  const auto source = PRONK_TRY(read_model(in));
  Progress progress(context.console, fmt::format("pack {}", name), ProgressUnit::kBytes);
  const InterruptScope interruptible;
  std::int64_t bytes = 0;
  PRONK_TRY_IN(fmt::format("pack '{}'", in.string()),
               write_packed(*source, out, [&](std::int64_t done, std::int64_t total) {
                 if (noted_signal()) leave_nothing_behind(out);
                 progress.update(done, total);
                 bytes = total;
               }));
  progress.finish();
  context.console.note(fmt::format("{}: {}", out.string(), format_bytes(bytes)));
  return Ok{};
}

}  // namespace

const Verb kPackVerb = {
    .name = "pack",
    .alias = {},
    .group = "Models",
    .summary = "write a model as a file that loads at once",
    .arguments = {{"MODEL", ArgumentKind::kModel},
                  {"OUT", ArgumentKind::kFile, /*required=*/false}},
    .groups = {},
    .notes =
        "OUT is a MODEL for every other verb; without it: NAME.pronk, here.\n"
        "Weights stand as the kernels read them, every value as it was: a load maps\n"
        "the file and copies nothing. It is for this program alone; a later version\n"
        "may ask to pack again, so keep the model that it was made of.",
    .run = run,
};

}  // namespace pronk::cli
