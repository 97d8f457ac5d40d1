// pronk tokenize MODEL < TEXT, pronk detokenize MODEL < IDS
#include <fmt/format.h>

#include "cli/io.h"
#include "cli/models.h"
#include "cli/prompts.h"
#include "cli/verbs.h"
#include "pronk/tokenizer.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

Result<Tokenizer> load_tokenizer(Context& context) {
  const std::string name = context.options.argument(0);
  const std::filesystem::path path = PRONK_TRY(find_model(context.console, name));
  return Tokenizer::load(path);
}

// The option's text if it was given, else stdin.
Result<std::string> input(const Options& options, std::string_view option) {
  if (std::optional<std::string> given = options.find_text(option)) return *std::move(given);
  return read_stdin();
}

Status tokenize(Context& context) {
  const Options& options = context.options;
  const Tokenizer tokenizer = PRONK_TRY(load_tokenizer(context));
  const std::string text = PRONK_TRY(input(options, "prompt"));
  std::size_t num_dropped = 0;
  std::vector<TokenId> ids = tokenizer.encode(
      text, options.flag("specials") ? Specials::kRecognise : Specials::kAsText, &num_dropped);
  warn_of_dropped(context.console, num_dropped, text.size());
  if (options.flag("bos")) {
    if (!tokenizer.bos())
      return error(Code::kInvalidArgument, "tokenize: this tokenizer has no BOS; leave out --bos");
    if (ids.empty() || ids[0] != *tokenizer.bos()) ids.insert(ids.begin(), *tokenizer.bos());
  }
  if (options.flag("json")) {
    context.console.print(fmt::format("[{}]\n", fmt::join(ids, ", ")));
    return Ok{};
  }
  for (const TokenId id : ids)
    context.console.print(fmt::format("{:>7}  {}\n", id, escape_bytes(tokenizer.piece(id))));
  context.console.note(
      fmt::format("{} tokens, {} bytes; {}", ids.size(), text.size(), tokenizer.kind()));
  return Ok{};
}

Status detokenize(Context& context) {
  const Tokenizer tokenizer = PRONK_TRY(load_tokenizer(context));
  const std::string text = PRONK_TRY(input(context.options, "ids"));
  const std::vector<TokenId> ids = PRONK_TRY(parse_ids(text));
  context.console.print(PRONK_TRY(tokenizer.decode(ids, context.options.flag("skip-specials"))));
  return Ok{};
}

}  // namespace

const Verb kTokenizeVerb = {
    .name = "tokenize",
    .alias = {},
    .group = "Text",
    .summary = "turn the text on stdin into token ids",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Input",
                {{.name = "prompt",
                  .letter = 'p',
                  .kind = ValueKind::kText,
                  .value = "TEXT",
                  .help = "this text instead of stdin"},
                 {.name = "specials", .help = "recognise special tokens such as <|eot_id|>"},
                 {.name = "bos", .help = "begin with BOS"}}},
               {"Output", {{.name = "json", .help = "one JSON array of ids"}}}},
    .notes = "MODEL may also be a bare tokenizer.json or tokenizer.model.",
    .run = tokenize,
};

const Verb kDetokenizeVerb = {
    .name = "detokenize",
    .alias = {},
    .group = "Text",
    .summary = "turn the token ids on stdin into bytes",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Input",
                {{.name = "ids",
                  .kind = ValueKind::kText,
                  .value = "LIST",
                  .help = "these ids instead of stdin"},
                 {.name = "skip-specials", .help = "leave special tokens out"}}}},
    .notes = "Ids are separated by spaces, commas or newlines, or are a JSON array.",
    .run = detokenize,
};

}  // namespace pronk::cli
