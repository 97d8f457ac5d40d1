#include "cli/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "cli/verbs.h"

namespace pronk::cli {
namespace {

std::vector<const OptionSpec*> options_of(const Verb& verb) {
  std::vector<const OptionSpec*> options;
  for (const OptionGroup& group : verb.groups)
    for (const OptionSpec& option : group.options) options.push_back(&option);
  for (const OptionSpec& option : global_options().options) options.push_back(&option);
  return options;
}

std::string verb_names() {
  std::vector<std::string_view> names;
  for (const Verb* verb : all_verbs()) names.push_back(verb->name);
  return fmt::format("{}", fmt::join(names, " "));
}

std::string names_pattern(const Verb& verb) {  // "list|ls"
  return verb.alias.empty() ? std::string(verb.name) : fmt::format("{}|{}", verb.name, verb.alias);
}

std::string choices(const OptionSpec& option) {
  std::string words(option.value);
  std::replace(words.begin(), words.end(), '|', ' ');
  return words;
}

// What an argument of the verb is; kText when it takes none.
ArgumentKind argument_kind(const Verb& verb) {
  return verb.arguments.empty() ? ArgumentKind::kText : verb.arguments[0].kind;
}

// As text between single quotes of a shell.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash_values(const Verb& verb) {
  std::string text;
  for (const OptionSpec* option : options_of(verb)) {
    if (option->kind == ValueKind::kFlag) continue;
    std::string pattern = fmt::format("--{}", option->name);
    if (option->letter) pattern += fmt::format("|-{}", option->letter);
    if (option->kind == ValueKind::kChoice)
      text += fmt::format("        {}) words=\"{}\" ;;\n", pattern, choices(*option));
    else
      text += fmt::format("        {}) {} ;;\n", pattern,
                          option->kind == ValueKind::kFile ? "files=1" : "return");
  }
  return text;
}

std::string bash_argument(const Verb& verb) {
  switch (argument_kind(verb)) {
    case ArgumentKind::kModel:
      return "words=\"$(pronk list --quiet 2>/dev/null)\"; files=1";
    case ArgumentKind::kFile:
      return "files=1";
    case ArgumentKind::kVerb:
      return fmt::format("words=\"{} exit-codes environment\"", verb_names());
    case ArgumentKind::kShell:
      return "words=\"bash zsh fish\"";
    case ArgumentKind::kText:
      return ":";
  }
  return ":";
}

// "--name[help]:value:action" for zsh's _arguments.
std::string zsh_option(const OptionSpec& option) {
  std::string help(option.help);
  for (const char special : {'[', ']', ':'}) std::replace(help.begin(), help.end(), special, ' ');
  std::string spec = fmt::format("--{}[{}]", option.name, help);
  if (option.kind == ValueKind::kChoice)
    spec += fmt::format(":{}:({})", option.name, choices(option));
  else if (option.kind == ValueKind::kFile)
    spec += fmt::format(":{}:_files", option.value);
  else if (option.kind != ValueKind::kFlag)
    spec += fmt::format(":{}: ", option.value);
  return quoted((option.repeats ? "*" : "") + spec);
}

// Nothing, and no message either: beside one, zsh shows the only option that fits and does not
// take it.
constexpr const char* kOffersNothing = "{:}";

std::string zsh_action(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kModel:
      return "_pronk_models";
    case ArgumentKind::kFile:
      return "_files";
    case ArgumentKind::kVerb:
      return fmt::format("({})", verb_names());
    case ArgumentKind::kShell:
      return "(bash zsh fish)";
    case ArgumentKind::kText:
      return kOffersNothing;
  }
  return kOffersNothing;
}

}  // namespace

std::string bash_completion() {
  std::string text = fmt::format(
      "# bash completion for pronk. Use: source <(pronk completion bash)\n"
      "_pronk() {{\n"
      "  local cur prev verb words='' files=''\n"
      "  COMPREPLY=()\n"
      "  if declare -F _get_comp_words_by_ref >/dev/null; then\n"
      "    local words_ cword_\n"
      "    _get_comp_words_by_ref -n := -w words_ -i cword_ cur prev\n"
      "    verb=\"${{words_[1]}}\"\n"
      "  else\n"
      "    local cword_=$COMP_CWORD\n"
      "    cur=\"${{COMP_WORDS[COMP_CWORD]}}\" prev=\"${{COMP_WORDS[COMP_CWORD-1]}}\" "
      "verb=\"${{COMP_WORDS[1]}}\"\n"
      "  fi\n"
      "  if ((cword_ == 1)); then\n"
      "    COMPREPLY=($(compgen -W '{} --help --version' -- \"$cur\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"$verb\" in\n",
      verb_names());
  for (const Verb* verb : all_verbs()) {
    std::string flags;
    for (const OptionSpec* option : options_of(*verb)) flags += fmt::format("--{} ", option->name);
    text += fmt::format(
        "    {})\n"
        "      case \"$prev\" in\n"
        "{}"
        "        *) if [[ $cur == -* ]]; then words='{}'; else {}; fi ;;\n"
        "      esac ;;\n",
        names_pattern(*verb), bash_values(*verb), flags, bash_argument(*verb));
  }
  return text +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  [[ -n $files ]] && COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
         "  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "
         "\"$cur\"; fi\n"
         "}\n"
         "complete -o filenames -F _pronk pronk\n";
}

std::string zsh_completion() {
  std::string text =
      "#compdef pronk\n"
      "# zsh completion for pronk. Use: pronk completion zsh > \"${fpath[1]}/_pronk\"\n"
      "_pronk_models() {\n"
      "  local -a models\n"
      "  models=(${(f)\"$(pronk list --quiet 2>/dev/null)\"})\n"
      "  compadd -a models\n"
      "  _files\n"
      "}\n"
      "_pronk() {\n"
      "  local -a verbs\n"
      "  verbs=(\n";
  for (const Verb* verb : all_verbs())
    text += fmt::format("    {}\n", quoted(fmt::format("{}:{}", verb->name, verb->summary)));
  text +=
      "  )\n"
      "  if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n"
      "  local verb=$words[2]\n"
      "  shift words; (( CURRENT-- ))\n"
      "  case $verb in\n";
  for (const Verb* verb : all_verbs()) {
    text += fmt::format("    {})\n      _arguments", names_pattern(*verb));
    for (const OptionSpec* option : options_of(*verb))
      text += fmt::format(" \\\n        {}", zsh_option(*option));
    for (std::size_t i = 0; i < verb->arguments.size(); ++i) {
      const ArgumentSpec& argument = verb->arguments[i];
      const std::string position = argument.repeats ? "*" : fmt::format("{}", i + 1);
      text += fmt::format(" \\\n        {}", quoted(fmt::format("{}:{}:{}", position, argument.name,
                                                                zsh_action(argument.kind))));
    }
    text += " ;;\n";
  }
  return text +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _pronk ]]; then _pronk \"$@\"; else compdef _pronk pronk; fi\n";
}

std::string fish_completion() {
  std::string text =
      "# fish completion for pronk. Use: pronk completion fish > "
      "~/.config/fish/completions/pronk.fish\n"
      "complete -c pronk -n __fish_use_subcommand -f\n";
  for (const Verb* verb : all_verbs())
    text += fmt::format("complete -c pronk -n __fish_use_subcommand -a {} -d {}\n", verb->name,
                        quoted(verb->summary));
  for (const Verb* verb : all_verbs()) {
    const std::string when =
        fmt::format("complete -c pronk -n '__fish_seen_subcommand_from {}{}{}'", verb->name,
                    verb->alias.empty() ? "" : " ", verb->alias);
    switch (argument_kind(*verb)) {
      case ArgumentKind::kModel:
        text += when + " -a '(pronk list --quiet 2>/dev/null)'\n";
        break;
      case ArgumentKind::kVerb:
        text += when + fmt::format(" -f -a '{}'\n", verb_names());
        break;
      case ArgumentKind::kShell:
        text += when + " -f -a 'bash zsh fish'\n";
        break;
      default:
        break;
    }
    for (const OptionSpec* option : options_of(*verb)) {
      text += when + fmt::format(" -l {}", option->name);
      if (option->letter) text += fmt::format(" -s {}", option->letter);
      if (option->kind == ValueKind::kChoice)
        text += fmt::format(" -x -a {}", quoted(choices(*option)));
      else if (option->kind == ValueKind::kFile)
        text += " -r";
      else if (option->kind != ValueKind::kFlag)
        text += " -x";
      text += fmt::format(" -d {}\n", quoted(option->help));
    }
  }
  return text;
}

}  // namespace pronk::cli
