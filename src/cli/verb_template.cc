// pronk template MODEL --json < REQUEST: the prompt that a chat template makes.
#include <fmt/format.h>

#include "base/file.h"
#include "cli/io.h"
#include "cli/models.h"
#include "cli/prompts.h"
#include "cli/verbs.h"
#include "formats/model_source.h"
#include "text/jinja.h"

namespace pronk::cli {
namespace {

// A .jinja file is the template; beside a bare tokenizer file, its folder has it; else the model's.
Result<std::string> template_text(const std::filesystem::path& path, const std::string& name) {
  if (path.extension() == ".jinja") return read_file(path);
  const bool bare = path.filename() == "tokenizer.json" || path.filename() == "tokenizer.model" ||
                    path.filename() == "tokenizer_config.json";
  const std::shared_ptr<const ModelSource> source =
      PRONK_TRY(read_model(bare ? path.parent_path() : path, {.weights = false}));
  if (source->chat_templates.empty())
    return error(Code::kNotFound,
                 fmt::format("template '{}': the model has no chat template", path.string()));
  if (name.empty()) return *default_template(*source);
  std::vector<std::string> names;
  for (const ChatTemplateSource& each : source->chat_templates) {
    if (each.name == name) return each.text;
    names.push_back(each.name);
  }
  return error(Code::kNotFound, fmt::format("template: none is named '{}'; there are {}", name,
                                            fmt::join(names, ", ")));
}

// stdin: with --json the template's variables, else one user message.
Result<json::object> variables_asked_for(const Options& options) {
  const std::string text = PRONK_TRY(read_stdin());
  if (!options.flag("json"))
    return json::object{
        {"messages", json::array{json::object{{"role", "user"}, {"content", text}}}},
        {"add_generation_prompt", true}};
  Result<json::value> request = parse_json(text);
  if (!request)
    return error(Code::kInvalidArgument,
                 fmt::format("template: request: {}", request.error().message));
  if (!request->is_object())
    return error(Code::kInvalidArgument,
                 "template: request: needs a JSON object of the template's variables, such as "
                 "{\"messages\": [...]}");
  return std::move(request->get_object());
}

Status run(Context& context) {
  const Options& options = context.options;
  const std::int64_t now = PRONK_TRY(template_now(options));
  const std::filesystem::path path = PRONK_TRY(find_model(context.console, options.argument(0)));
  const std::string text = PRONK_TRY(template_text(path, options.text("name")));
  const JinjaTemplate chat_template = PRONK_TRY_IN("template", JinjaTemplate::parse(text));
  const json::object variables = PRONK_TRY(variables_asked_for(options));
  const Rendered rendered = PRONK_TRY_IN("template", chat_template.render(variables, now));
  context.console.print(rendered.text);
  return Ok{};
}

}  // namespace

const Verb kTemplateVerb = {
    .name = "template",
    .alias = {},
    .group = "Text",
    .summary = "render a chat template",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Input",
                {{.name = "json",
                  .help = "stdin is a JSON object of the template's variables (messages, tools, "
                          "add_generation_prompt, ...); without: one user message"},
                 {.name = "name",
                  .kind = ValueKind::kText,
                  .value = "NAME",
                  .help = "which of several templates, such as tool_use"},
                 {.name = "date",
                  .kind = ValueKind::kText,
                  .value = "DAY",
                  .help = "today, for strftime_now: 2024-07-26"}}}},
    .notes = "MODEL may also be a bare .jinja file. Exit code 1 when the template raises.",
    .run = run,
};

}  // namespace pronk::cli
