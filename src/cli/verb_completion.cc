// pronk completion bash|zsh|fish
#include <fmt/format.h>

#include "cli/completion.h"
#include "cli/verbs.h"

namespace pronk::cli {
namespace {

Status run(Context& context) {
  const std::string shell = context.options.argument(0);
  if (shell == "bash")
    context.console.print(bash_completion());
  else if (shell == "zsh")
    context.console.print(zsh_completion());
  else if (shell == "fish")
    context.console.print(fish_completion());
  else
    return error(
        Code::kInvalidArgument,
        fmt::format("completion: unknown shell '{}', needs one of bash, zsh, fish", shell));
  return Ok{};
}

}  // namespace

const Verb kCompletionVerb = {
    .name = "completion",
    .alias = {},
    .group = "Itself",
    .summary = "print a completion script for a shell",
    .arguments = {{"SHELL", ArgumentKind::kShell}},
    .groups = {},
    .notes = "Use: source <(pronk completion bash)",
    .run = run,
};

}  // namespace pronk::cli
