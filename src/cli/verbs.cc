#include "cli/verbs.h"

#include <fmt/format.h>

#include "cli/help.h"
#include "cli/signals.h"
#include "kernels/isa.h"
#include "text/suggest.h"

namespace pronk::cli {
namespace {

constexpr int kClosedPipe = 128 + 13;  // what a shell shows for SIGPIPE

bool is_help_flag(std::string_view arg) { return arg == "--help" || arg == "-h"; }

Result<const Verb*> verb_named(const std::string& name) {
  if (const Verb* verb = find_verb(name)) return verb;
  std::vector<std::string> names;
  for (const Verb* verb : all_verbs()) names.emplace_back(verb->name);
  const std::optional<std::string> near = nearest(name, names);
  return error(
      Code::kInvalidArgument,
      fmt::format("unknown {} '{}'{}; see 'pronk help'", name.starts_with('-') ? "option" : "verb",
                  name, near ? fmt::format(", did you mean '{}'?", *near) : ""));
}

// An error as the program's last words, and its exit status.
int report(Console& console, const Error& e) {
  if (e.code == Code::kCancelled) {
    console.debug(e.message);
    return noted_signal() ? 128 + noted_signal() : exit_code(e.code);
  }
  console.warn(
      fmt::format("{} {}", console.paint_note(Style::kRed, "pronk:"), one_line(e.message)));
  console.debug(fmt::format("made at {}:{}, exit status {}", e.file, e.line, exit_code(e.code)));
  return exit_code(e.code);
}

int finish(Console& console, const Status& status) {
  console.flush();
  if (console.pipe_closed()) return kClosedPipe;
  if (!status) return report(console, status.error());
  if (const Status output = console.output_status(); !output)
    return report(console, output.error());
  return 0;
}

}  // namespace

std::span<const Verb* const> all_verbs() {
  static const Verb* const verbs[] = {
      &kRunVerb,     &kTokenizeVerb, &kDetokenizeVerb, &kTemplateVerb, &kLogitsVerb,
      &kPullVerb,    &kListVerb,     &kShowVerb,       &kRemoveVerb,   &kCopyVerb,
      &kConvertVerb, &kPackVerb,     &kPlanVerb,       &kBenchVerb,    &kDoctorVerb,
      &kVersionVerb, &kHelpVerb,     &kCompletionVerb};
  return verbs;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* verb : all_verbs())
    if (verb->name == name || (!verb->alias.empty() && verb->alias == name)) return verb;
  return nullptr;
}

int run_program(std::span<const std::string> args) {
  if (args.empty()) {
    Console console;
    console.warn(overview());
    return exit_code(Code::kInvalidArgument);
  }
  std::string name = args[0];
  if (is_help_flag(name)) name = "help";
  if (name == "--version" || name == "-V") name = "version";
  const Result<const Verb*> verb = verb_named(name);
  if (!verb) {
    Console console;
    return report(console, verb.error());
  }
  const Result<Options> options = Options::parse(**verb, args.subspan(1));
  if (!options) {
    Console console;
    return report(console, options.error());
  }
  Console console({.quiet = options->flag("quiet"),
                   .debug = options->flag("debug"),
                   .color = options->text("color")});
  if (options->flag("help")) {
    console.print(verb_help(**verb, HelpDetail::kBrief));
    return finish(console, Ok{});
  }
  if (const Status isa = kernels::check_isa_choice(); !isa) return report(console, isa.error());
  Context context{.options = *options, .console = console};
  return finish(console, (*verb)->run(context));
}

}  // namespace pronk::cli
