// pronk version
#include <fmt/format.h>

#include "cli/verbs.h"
#include "cli/version.h"

namespace pronk::cli {
namespace {

Status run(Context& context) {
  if (context.options.flag("json"))
    context.console.print_json({{"version", version_string()}, {"commit", commit_string()}});
  else
    context.console.print(fmt::format("pronk {} ({})\n", version_string(), commit_string()));
  return Ok{};
}

}  // namespace

const Verb kVersionVerb = {
    .name = "version",
    .alias = {},
    .group = "Itself",
    .summary = "say which pronk this is",
    .arguments = {},
    .groups = {{"Output", {{.name = "json", .help = "as a JSON object"}}}},
    .notes = {},
    .run = run,
};

}  // namespace pronk::cli
