// pronk run MODEL [PROMPT]: a chat at a terminal; one reply when there is a prompt or a pipe.
#include <fmt/format.h>

#include <optional>

#include "cli/io.h"
#include "cli/models.h"
#include "cli/prompts.h"
#include "cli/repl.h"
#include "cli/reply.h"
#include "cli/sampling_options.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "formats/model_source.h"

namespace pronk::cli {
namespace {

// PROMPT, or -p TEXT; several words are one prompt.
std::optional<std::string> text_given(const Options& options) {
  std::optional<std::string> text = options.find_text("prompt");
  const std::vector<std::string>& arguments = options.arguments();
  for (std::size_t i = 1; i < arguments.size(); ++i)
    text = text ? fmt::format("{} {}", *text, arguments[i]) : arguments[i];
  return text;
}

// What to reply to: the text given, with what a pipe brings before it; nothing at a terminal. Raw
// text is taken as it stands, and then a pipe is read only when no text is given.
Result<std::optional<std::string>> prompt_text(const Options& options) {
  std::optional<std::string> given = text_given(options);
  const bool raw = options.flag("raw");
  if (stdin_is_tty() || (raw && given)) return given;
  std::string piped = PRONK_TRY(read_stdin());
  if (raw || piped.empty()) return given || piped.empty() ? given : std::optional(piped);
  while (piped.ends_with('\n')) piped.pop_back();
  return given ? fmt::format("{}\n\n{}", piped, *given) : std::optional(piped);
}

Result<std::unique_ptr<Engine>> start_engine(Context& context,
                                             const std::shared_ptr<const Model>& model) {
  const Options& options = context.options;
  EngineOptions engine_options;
  engine_options.num_threads = static_cast<int>(options.integer("threads"));
  engine_options.context = static_cast<int>(options.integer("ctx-size"));
  engine_options.max_sequences = 1;
  engine_options.max_batch_tokens = static_cast<int>(options.integer("max-batch-tokens"));
  engine_options.cache_type = PRONK_TRY(cache_type_of(options));
  engine_options.prefix_cache = options.flag("prefix-cache");
  engine_options.measure_limits = options.flag("verbose");
  PRONK_TRY(apply_speculate(context, &engine_options));
  std::unique_ptr<Engine> engine = PRONK_TRY(Engine::start(model, engine_options));
  context.console.note(fmt::format("{}: context {} tokens, {} threads, {}", options.argument(0),
                                   engine->context(), engine->num_threads(), engine->isa()));
  return engine;
}

OptionGroup computing_and_engine_options() {
  OptionGroup group = compute_options();
  group.options.push_back(max_batch_tokens_option("256"));
  group.options.push_back({.name = "prefix-cache",
                           .fallback = "true",
                           .help = "compute what prompts share only once (--no-prefix-cache)"});
  group.options.push_back(speculate_option());
  return group;
}

Result<Session> start_session(Context& context, Engine& engine) {
  ChatOptions chat = PRONK_TRY(chat_options(context.options));
  warn_of_dropped(context.console, engine.model().tokenizer(), chat.system);
  return Session::create(engine, std::move(chat));
}

// One reply, and what --logprobs and --verbose add to it on stderr.
Status reply_once(Context& context, Engine& engine, const std::string& text) {
  const Options& options = context.options;
  Console& console = context.console;
  const Model& model = engine.model();
  const bool raw = options.flag("raw");
  Prompt prompt;
  if (raw) {
    prompt.tokens = PRONK_TRY(raw_prompt(console, model, text));
  } else {
    Session session = PRONK_TRY(start_session(context, engine));
    prompt = PRONK_TRY(session.prompt_for({.role = "user", .content = text}));
    warn_of_dropped(console, model.tokenizer(), text);
  }
  PRONK_TRY(apply_options(model, options, &prompt));
  const int max_tokens = prompt.max_tokens;
  const bool logprobs = prompt.sampling.num_logprobs >= 0;
  if (options.integer("predict") == 0) return Ok{};
  const Reply reply = PRONK_TRY(stream_reply(console, engine, std::move(prompt)));
  if (!raw) console.print("\n");
  console.flush();
  if (noted_signal()) return error(Code::kCancelled, "run: stopped");
  if (const std::string why = explain_end(reply, max_tokens, engine.context()); !why.empty())
    console.note(why + "; -c gives it more, -n ends it sooner");
  if (logprobs) console.raw_note(format_logprobs(reply, model.tokenizer()));
  if (options.flag("verbose")) {
    console.raw_note(format_timings(reply) + "\n");
    console.raw_note(format_stats(engine.stats()));
  }
  return Ok{};
}

Status run(Context& context) {
  const Options& options = context.options;
  PRONK_TRY(sampling_of(options, {}));  // what is wrong with a flag is said before the model loads
  PRONK_TRY(template_now(options));
  const std::optional<std::string> text = PRONK_TRY(prompt_text(options));
  if (!text && (!stdin_is_tty() || options.flag("raw")))
    return error(Code::kInvalidArgument,
                 "run: no prompt; give one after MODEL, or text on stdin, or run it at a terminal");
  // Who has asked waits for the first token; who chats, for the first prompt.
  const LoadOptions load{.pack_on_second_use = text.has_value()};
  const std::shared_ptr<const Model> model =
      PRONK_TRY(load_model(context, options.argument(0), IfMissing::kPull, load));
  if (model->source().chat_templates.empty() && !options.flag("raw"))
    context.console.note(
        "the model has no chat template, a plain one stands in; --raw continues a text");
  const InterruptScope interruptible;
  const std::unique_ptr<Engine> engine = PRONK_TRY(start_engine(context, model));
  if (text) return reply_once(context, *engine, *text);
  Session session = PRONK_TRY(start_session(context, *engine));
  return Repl(context.console, *engine, options, std::move(session)).run();
}

}  // namespace

const Verb kRunVerb = {
    .name = "run",
    .alias = {},
    .group = "Text",
    .summary = "chat with a model, or answer one prompt",
    .arguments = {{"MODEL", ArgumentKind::kModel},
                  {"PROMPT", ArgumentKind::kText, /*required=*/false, /*repeats=*/true}},
    .groups =
        {{"Prompt and reply",
          {{.name = "prompt",
            .letter = 'p',
            .kind = ValueKind::kText,
            .value = "TEXT",
            .help = "the prompt, as PROMPT"},
           {.name = "raw", .help = "continue TEXT as it stands, without template"},
           {.name = "predict",
            .letter = 'n',
            .kind = ValueKind::kInt,
            .value = "N",
            .fallback = "-1",
            .help = "tokens at most; -1: until the model ends",
            .min = -2},
           {.name = "stop",
            .kind = ValueKind::kText,
            .value = "TEXT",
            .help = "ends the reply; may be given again",
            .repeats = true},
           {.name = "system", .kind = ValueKind::kText, .value = "TEXT", .help = "system message"},
           {.name = "date",
            .kind = ValueKind::kText,
            .value = "DAY",
            .help = "today, for templates: 2024-07-26"},
           {.name = "ctx-size",
            .letter = 'c',
            .kind = ValueKind::kInt,
            .value = "N",
            .fallback = "0",
            .help = "context; 0: what model and memory allow",
            .min = 0,
            .env = "OLLAMA_CONTEXT_LENGTH"},
           {.name = "ignore-eos", .help = "go on after an end token"},
           {.name = "logprobs",
            .kind = ValueKind::kInt,
            .value = "N",
            .fallback = "-1",
            .help = "logprobs of each token and N others, on stderr",
            .min = -1,
            .max = 100},
           {.name = "verbose", .help = "timings on stderr, and of which limit (measured first)"},
           {.name = "history",
            .fallback = "true",
            .help = "keep the chat's input lines (--no-history)"}}},
         computing_and_engine_options(),
         sampling_options()},
    .notes = {},
    .run = run,
};

}  // namespace pronk::cli
