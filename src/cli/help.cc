#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "cli/console.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace pronk::cli {
namespace {

constexpr std::size_t kScreenColumns = 80;

struct Explained {
  std::string_view what, meaning;
};

constexpr Explained kExitCodes[] = {
    {"0", "it went well"},
    {"1", "it failed while running: a template raised, a NaN logit, an input or output error"},
    {"2", "the command line or its input is wrong"},
    {"3", "valid, but not supported by this program or this CPU"},
    {"4", "a model, file or tensor is missing"},
    {"5", "out of memory, disk or context"},
    {"6", "the network or a server failed"},
    {"7", "a file is corrupt: it breaks its format or its checksum"},
    {"70", "a fault of pronk itself"},
    {"130", "ended by Ctrl-C (SIGINT)"},
    {"141", "the reader of stdout went away; nothing is said"},
    {"143", "ended by SIGTERM"},
};

constexpr Explained kEnvironment[] = {
    {"PRONK_HOME", "where models live, instead of $XDG_DATA_HOME/pronk or ~/.local/share/pronk"},
    {"PRONK_ISA", "kernels to use, by a name that `pronk doctor` lists"},
    {"XDG_STATE_HOME", "where the chat's history lives (pronk/history), else ~/.local/state"},
    {"HF_TOKEN, HF_ENDPOINT, HF_HOME", "Hugging Face: the token, a mirror, its cache"},
    {"HF_HUB_OFFLINE", "1: pull asks no server"},
    {"HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE", "for every download"},
    {"NO_COLOR, CLICOLOR_FORCE, TERM=dumb", "colours off, on, off"},
    {"COLUMNS", "width of the terminal"},
};

std::string synopsis(const Verb& verb) {
  std::string text = fmt::format("pronk {} [OPTIONS]", verb.name);
  for (const ArgumentSpec& argument : verb.arguments) {
    const std::string name = fmt::format("{}{}", argument.name, argument.repeats ? "..." : "");
    text += argument.required ? " " + name : " [" + name + "]";
  }
  return text;
}

// "-n, --predict N"
std::string option_head(const OptionSpec& option) {
  std::string head = option.letter ? fmt::format("-{}, ", option.letter) : "    ";
  head += fmt::format("--{}", option.name);
  if (!option.value.empty()) head += fmt::format(" {}", option.value);
  return head;
}

// "tokens to write (default 512; env X)"
std::string option_meaning(const OptionSpec& option) {
  std::vector<std::string> notes;
  if (!option.fallback.empty() && option.kind != ValueKind::kFlag)
    notes.push_back(fmt::format("default {}", option.fallback));
  if (!option.env.empty()) notes.push_back(fmt::format("or ${}", option.env));
  return notes.empty() ? std::string(option.help)
                       : fmt::format("{} ({})", option.help, fmt::join(notes, "; "));
}

// Words in lines of at most kScreenColumns, the second and later ones indented.
std::string wrapped(std::string_view words, std::size_t first_column, std::size_t indent) {
  std::string text;
  std::size_t column = first_column;
  while (!words.empty()) {
    const std::size_t space = std::min(words.find(' '), words.size());
    const std::string_view word = words.substr(0, space);
    if (column + word.size() > kScreenColumns && column > indent) {
      text.erase(text.find_last_not_of(' ') + 1);
      text += fmt::format("\n{:{}}", "", indent);
      column = indent;
    }
    text += word;
    column += word.size();
    if (space < words.size()) text += ' ', ++column;
    words.remove_prefix(std::min(space + 1, words.size()));
  }
  return text + "\n";
}

std::string explained(const OptionGroup& group) {
  std::size_t width = 0;
  for (const OptionSpec& option : group.options)
    width = std::max(width, option_head(option).size());
  width = std::min<std::size_t>(width, 30);
  std::string text = fmt::format("{}:\n", group.title);
  for (const OptionSpec& option : group.options) {
    const std::string head = fmt::format("  {:<{}}  ", option_head(option), width);
    text += head + wrapped(option_meaning(option), head.size(), width + 4);
  }
  return text;
}

// "Computing: -t/--threads --precision ..."
std::string named(const OptionGroup& group) {
  const std::string head = fmt::format("{}: ", group.title);
  std::string words;
  for (const OptionSpec& option : group.options) {
    if (!words.empty()) words += ' ';
    if (option.letter) words += fmt::format("-{}/", option.letter);
    words += fmt::format("--{}", option.name);
  }
  return head + wrapped(words, head.size(), 2);
}

std::string rows(std::span<const Explained> table) {
  std::size_t width = 0;
  for (const Explained& row : table) width = std::max(width, row.what.size());
  std::string text;
  for (const Explained& row : table) {
    const std::string head = fmt::format("  {:<{}}  ", row.what, width);
    text += head + wrapped(row.meaning, head.size(), head.size());
  }
  return text;
}

std::string markdown_row(std::string_view left, std::string_view right) {
  std::string text = fmt::format("| {} | {} |\n", left, right);
  return text;
}

std::string escape_bars(std::string text) {
  for (std::size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2)
    text.insert(i, 1, '\\');
  return text;
}

std::string markdown_options(const OptionGroup& group) {
  std::string text = fmt::format("\n| {} | |\n|---|---|\n", group.title);
  for (const OptionSpec& option : group.options) {
    std::string head = option_head(option);
    head.erase(0, head.find_first_not_of(' '));
    text +=
        markdown_row(escape_bars(fmt::format("`{}`", head)), escape_bars(option_meaning(option)));
  }
  return text;
}

}  // namespace

std::string overview() {
  std::string text = fmt::format(
      "pronk {}: Llama models on this machine\n"
      "usage: pronk VERB [OPTIONS] [ARGUMENTS]     e.g. pronk run smollm2:135m \"Hello\"\n\n",
      version_string());
  std::string_view group;
  for (const Verb* verb : all_verbs()) {
    text += fmt::format("{:<8} {:<11} {}\n", verb->group == group ? "" : verb->group, verb->name,
                        verb->summary);
    group = verb->group;
  }
  text +=
      "\nA MODEL is a path or a name ('pronk list --known').\n"
      "More: 'pronk help VERB', 'pronk help environment', 'pronk help exit-codes'.\n";
  return text;
}

std::string verb_help(const Verb& verb, HelpDetail detail) {
  std::string text =
      fmt::format("pronk {}: {}\nusage: {}\n", verb.name, verb.summary, synopsis(verb));
  bool some_only_named = false;
  for (const OptionGroup& group : verb.groups) {
    const bool brief = group.brief && detail == HelpDetail::kBrief;
    some_only_named |= brief;
    text += brief ? named(group) : explained(group);
  }
  text += detail == HelpDetail::kAll ? explained(global_options()) : named(global_options());
  if (!verb.notes.empty()) text += fmt::format("{}\n", verb.notes);
  if (some_only_named)
    text += fmt::format("All options explained: pronk help {} --all\n", verb.name);
  return text;
}

std::string exit_code_help() { return "Exit codes:\n" + rows(kExitCodes); }

std::string environment_help() { return "Environment:\n" + rows(kEnvironment); }

std::string markdown_reference() {
  std::string text;
  for (const Verb* verb : all_verbs()) {
    text += fmt::format("## pronk {}\n\n", verb->name);
    std::string summary(verb->summary);
    summary[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(summary[0])));
    text += fmt::format("{}.{}\n\n    {}\n", summary,
                        verb->alias.empty() ? "" : fmt::format(" Also `{}`.", verb->alias),
                        synopsis(*verb));
    for (const OptionGroup& group : verb->groups) text += markdown_options(group);
    if (!verb->notes.empty()) text += fmt::format("\n```text\n{}\n```\n", verb->notes);
    text += "\n";
  }
  text += "## Options of every verb\n" + markdown_options(global_options());
  text += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const Explained& row : kExitCodes) text += markdown_row(row.what, row.meaning);
  text += "\n## Environment\n\n| variable | meaning |\n|---|---|\n";
  for (const Explained& row : kEnvironment) text += markdown_row(row.what, row.meaning);
  return text;
}

}  // namespace pronk::cli
