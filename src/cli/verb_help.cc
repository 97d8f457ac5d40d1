// pronk help [VERB]
#include <fmt/format.h>

#include "cli/help.h"
#include "cli/verbs.h"
#include "text/suggest.h"

namespace pronk::cli {
namespace {

Error unknown_topic(const std::string& topic) {
  std::vector<std::string> topics = {"exit-codes", "environment"};
  for (const Verb* verb : all_verbs()) topics.emplace_back(verb->name);
  const std::optional<std::string> near = nearest(topic, topics);
  return error(Code::kInvalidArgument,
               fmt::format("help: nothing on '{}'{}; see 'pronk help'", topic,
                           near ? fmt::format(", did you mean '{}'?", *near) : ""));
}

Status run(Context& context) {
  const Options& options = context.options;
  const std::string topic = options.argument(0);
  const bool all = options.flag("all");
  std::string text;
  if (options.flag("markdown")) {
    text = markdown_reference();
  } else if (const Verb* verb = find_verb(topic)) {
    text = verb_help(*verb, all ? HelpDetail::kAll : HelpDetail::kBrief);
  } else if (topic == "exit-codes") {
    text = exit_code_help();
  } else if (topic == "environment") {
    text = environment_help();
  } else if (!topic.empty()) {
    return unknown_topic(topic);
  } else {
    text = overview();
    if (all)
      for (const Verb* each : all_verbs())
        text += fmt::format("\n{}", verb_help(*each, HelpDetail::kAll));
  }
  context.console.print(text);
  return Ok{};
}

}  // namespace

const Verb kHelpVerb = {
    .name = "help",
    .alias = {},
    .group = "Itself",
    .summary = "explain a verb, the exit codes or the environment",
    .arguments = {{"TOPIC", ArgumentKind::kVerb, /*required=*/false}},
    .groups = {{"Output",
                {{.name = "all", .help = "every option, explained"},
                 {.name = "markdown", .help = "the reference of docs/cli.md"}}}},
    .notes = {},
    .run = run,
};

}  // namespace pronk::cli
