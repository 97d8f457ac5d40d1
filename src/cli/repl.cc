#include "cli/repl.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <tuple>

#include "cli/sampling_options.h"
#include "cli/signals.h"
#include "cli/state_folder.h"
#include "formats/model_source.h"
#include "text/suggest.h"

namespace pronk::cli {
namespace {

constexpr std::string_view kBlockMark = "\"\"\"";

constexpr std::string_view kHelp =
    "  /set NAME VALUE    an option of run, such as temp 0.7; also /set parameter NAME VALUE\n"
    "  /set system TEXT   the system message\n"
    "  /set verbose, /set quiet, /set history, /set nohistory\n"
    "  /show [info | system | parameters | template | license | messages]\n"
    "  /save NAME, /load NAME   the chat, to and from a file\n"
    "  /clear             forget the messages\n"
    "  /bye               leave; also Ctrl-D\n"
    "  \"\"\"                begins and ends a message of several lines\n"
    "  Ctrl-C stops a reply; twice at the prompt leaves";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// "set temp 1" -> {"set", "temp 1"}
std::pair<std::string, std::string> split_word(std::string_view text) {
  text = trimmed(text);
  const std::size_t space = std::min(text.find_first_of(" \t\n"), text.size());
  return {std::string(text.substr(0, space)), std::string(trimmed(text.substr(space)))};
}

// Names of the parameters as Ollama's users know them.
std::string option_name(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  if (name == "temperature") return "temp";
  if (name == "num-predict") return "predict";
  if (name == "typical-p") return "typical";
  return name;
}

// Whether an option of run is read for each message anew; the others made the engine what it is.
bool is_read_anew(std::string_view name) {
  constexpr std::string_view kOfReplies[] = {"predict", "stop", "date", "ignore-eos", "logprobs"};
  const OptionGroup sampling = sampling_options();
  return std::count(std::begin(kOfReplies), std::end(kOfReplies), name) > 0 ||
         std::any_of(sampling.options.begin(), sampling.options.end(),
                     [&](const OptionSpec& option) { return option.name == name; });
}

}  // namespace

Repl::Repl(Console& console, Engine& engine, Options options, Session session)
    : console_(console),
      engine_(engine),
      options_(std::move(options)),
      session_(std::move(session)),
      editor_(options_.flag("history") && !state_folder().empty() ? state_folder() / "history"
                                                                  : std::filesystem::path(),
              console.plain_terminal()),
      keep_history_(options_.flag("history")) {}

Status Repl::run() {
  console_.note("A message, or /? for help; Ctrl-D leaves");
  bool interrupted_before = false;
  for (;;) {
    const LineEditor::Input input = editor_.read(">>> ");
    if (input.kind == LineEditor::Kind::kEnd) {
      say("");
      return Ok{};
    }
    if (input.kind == LineEditor::Kind::kInterrupted) {
      say("");
      if (noted_signal() != SIGINT || interrupted_before)
        return error(Code::kCancelled, "chat: left at the prompt");
      forget_signal();
      interrupted_before = true;
      say("Ctrl-C again, Ctrl-D or /bye to leave");
      continue;
    }
    interrupted_before = false;
    std::string text(trimmed(input.text));
    if (text.starts_with(kBlockMark)) {
      const std::optional<std::string> block = read_block(text.substr(kBlockMark.size()));
      if (!block) continue;
      text = *block;
    } else if (text.starts_with('/')) {
      if (keep_history_) editor_.remember(text);
      if (obey(text) == Next::kLeave) return Ok{};
      continue;
    }
    if (trimmed(text).empty()) continue;
    if (keep_history_) editor_.remember(text);
    if (Status status = answer(text); !status) {
      if (noted_signal() == SIGTERM || console_.output_failed()) return status;
      console_.warn(one_line(status.error().message));
    }
  }
}

// The rest of a message between two marks; empty when Ctrl-C or Ctrl-D gave it up.
std::optional<std::string> Repl::read_block(std::string text) {
  while (!trimmed(text).ends_with(kBlockMark)) {
    const LineEditor::Input input = editor_.read("... ");
    if (input.kind != LineEditor::Kind::kLine) {
      say("");
      if (noted_signal() == SIGINT) forget_signal();
      return std::nullopt;
    }
    text += fmt::format("{}{}", text.empty() ? "" : "\n", input.text);
  }
  text.resize(text.rfind(kBlockMark));
  return text;
}

Status Repl::answer(const std::string& message) {
  session_.options().now = PRONK_TRY(template_now(options_));
  const Message said{.role = "user", .content = message};
  Prompt prompt = PRONK_TRY(session_.prompt_for(said));
  PRONK_TRY(apply_options(engine_.model(), options_, &prompt));
  warn_of_dropped(console_, engine_.model().tokenizer(), message);
  const Result<Reply> reply = stream_reply(console_, engine_, prompt);
  console_.print("\n");
  console_.flush();
  if (!reply) return reply.error();
  session_.keep(said, reply->text);
  if (const std::string why = explain_end(*reply, prompt.max_tokens, engine_.context());
      !why.empty())
    console_.note(why + "; /clear begins anew");
  if (prompt.sampling.num_logprobs >= 0)
    console_.raw_note(format_logprobs(*reply, engine_.model().tokenizer()));
  if (options_.flag("verbose")) {
    say(format_timings(*reply));
    console_.raw_note(format_stats(engine_.stats()));
  }
  if (noted_signal() == SIGINT) forget_signal();  // it stopped the reply, not the chat
  if (noted_signal()) return error(Code::kCancelled, "chat: ended by a signal");
  return Ok{};
}

Repl::Next Repl::obey(const std::string& line) {
  const auto [command, rest] = split_word(std::string_view(line).substr(1));
  Status status = Ok{};
  if (command == "bye" || command == "exit" || command == "quit") return Next::kLeave;
  if (command == "?" || command == "help") {
    say(kHelp);
  } else if (command == "clear") {
    session_.clear();
    say("the messages are forgotten");
  } else if (command == "set") {
    status = set(rest);
  } else if (command == "show") {
    status = show(rest);
  } else if ((command == "save" || command == "load") && rest.empty()) {
    say(fmt::format("/{} needs a name", command));
  } else if (command == "save") {
    const std::filesystem::path path = chat_path(rest);
    status = session_.save(path);
    if (status) say(fmt::format("saved as {}", path.string()));
  } else if (command == "load") {
    status = session_.load(chat_path(rest));
    if (status) say(fmt::format("{} messages are back", session_.messages().size()));
  } else {
    const std::vector<std::string> commands = {"set",   "show", "save", "load",
                                               "clear", "bye",  "help"};
    const std::optional<std::string> near = nearest(command, commands);
    say(fmt::format("unknown command '/{}'{}; /? lists them", command,
                    near ? fmt::format(", did you mean '/{}'?", *near) : ""));
  }
  if (!status) say(one_line(status.error().message));
  return Next::kGoOn;
}

Status Repl::set(const std::string& words) {
  auto [name, value] = split_word(words);
  if (name == "parameter") std::tie(name, value) = split_word(value);
  if (name == "verbose" || name == "quiet")
    return options_.set("verbose", name == "verbose" ? "true" : "false");
  if (name == "history" || name == "nohistory") {
    keep_history_ = name == "history";
    return Ok{};
  }
  if (name.empty() || value.empty())
    return error(Code::kInvalidArgument, "/set needs a name and a value; /? shows how");
  if (name == "system") {
    session_.options().system = value;
    warn_of_dropped(console_, engine_.model().tokenizer(), value);
    return Ok{};
  }
  Options changed = options_;
  PRONK_TRY(changed.set(option_name(name), value));
  if (!is_read_anew(option_name(name)))
    return error(
        Code::kInvalidArgument,
        fmt::format("/set {}: settled when the chat began; leave with /bye, and give --{} to run",
                    name, option_name(name)));
  options_ = std::move(changed);
  return Ok{};
}

Status Repl::show(const std::string& what) {
  const ModelSource& source = engine_.model().source();
  if (what.empty() || what == "info") {
    say(fmt::format("{}: {}, context {} tokens, {} threads, {}", options_.argument(0),
                    source.format, engine_.context(), engine_.num_threads(), engine_.isa()));
  } else if (what == "system") {
    const std::string& system = session_.options().system;
    say(system.empty() ? "no system message" : system);
  } else if (what == "parameters") {
    const SamplingParams p = PRONK_TRY(sampling_of(options_, source.generation));
    say(fmt::format("temp {}, top-k {}, top-p {}, min-p {}, repeat-penalty {}, seed {}",
                    p.temperature, p.top_k, p.top_p, p.min_p, p.repeat_penalty, p.seed));
  } else if (what == "template") {
    const std::string* text = default_template(source);
    say(text ? *text : "no template");
  } else if (what == "license") {
    say(source.licence.empty() ? "the files name none" : source.licence);
  } else if (what == "messages") {
    for (const Message& message : session_.messages())
      say(fmt::format("{}: {}", message.role, message.content));
  } else {
    return error(Code::kInvalidArgument,
                 "/show needs one of info, system, parameters, template, license, messages");
  }
  return Ok{};
}

}  // namespace pronk::cli
