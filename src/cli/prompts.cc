#include "cli/prompts.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "cli/sampling_options.h"
#include "formats/model_source.h"
#include "pronk/tokenizer.h"
#include "text/jinja.h"

namespace pronk::cli {
namespace {

Result<const Tokenizer*> tokenizer_of(const Model& model) {
  if (model.has_tokenizer()) return &model.tokenizer();
  return error(Code::kInvalidArgument,
               "prompt: the model has no tokenizer; put its tokenizer file beside the weights");
}

void begin_with_bos(const Tokenizer& tokenizer, std::vector<TokenId>& ids) {
  const std::optional<TokenId> bos = tokenizer.bos();
  if (bos && tokenizer.adds_bos() && (ids.empty() || ids[0] != *bos)) ids.insert(ids.begin(), *bos);
}

std::string special_text(const Tokenizer& tokenizer, std::optional<TokenId> id) {
  return id ? std::string(tokenizer.piece(*id)) : "";
}

}  // namespace

Result<std::vector<TokenId>> raw_prompt(const Model& model, std::string_view text) {
  const Tokenizer& tokenizer = *PRONK_TRY(tokenizer_of(model));
  std::vector<TokenId> ids = tokenizer.encode(text, Specials::kRecognise);
  begin_with_bos(tokenizer, ids);
  return ids;
}

Result<Prompt> prompt_of(const Model& model, const Options& options, std::vector<TokenId> tokens) {
  Prompt prompt;
  prompt.tokens = std::move(tokens);
  prompt.sampling = PRONK_TRY(sampling_of(options, model.source().generation));
  prompt.sampling.num_logprobs = static_cast<int>(options.integer("logprobs"));
  prompt.max_tokens = static_cast<int>(std::max<std::int64_t>(options.integer("predict"), 0));
  prompt.ignore_eos = options.flag("ignore-eos");
  prompt.stop = options.texts("stop");
  return prompt;
}

Result<Prompt> chat_prompt(const Model& model, const Options& options,
                           const json::array& messages) {
  const Tokenizer& tokenizer = *PRONK_TRY(tokenizer_of(model));
  const std::vector<ChatTemplateSource>& templates = model.source().chat_templates;
  if (templates.empty()) {
    const json::string* text = find_string(messages.back(), "content");
    std::vector<TokenId> raw = PRONK_TRY(raw_prompt(model, *text));
    return prompt_of(model, options, std::move(raw));
  }
  const std::int64_t now = PRONK_TRY(template_now(options));
  const json::object variables = {
      {"messages", messages},
      {"add_generation_prompt", true},
      {"bos_token", special_text(tokenizer, tokenizer.bos())},
      {"eos_token", special_text(tokenizer, tokenizer.eos())},
      {"date_string", fmt::format("{:%d %b %Y}", fmt::gmtime(static_cast<std::time_t>(now)))}};
  const JinjaTemplate chat_template =
      PRONK_TRY_IN("chat template", JinjaTemplate::parse(templates[0].text));
  const Rendered rendered = PRONK_TRY_IN("chat template", chat_template.render(variables, now));
  std::vector<TokenId> ids = tokenizer.encode(rendered.text, rendered.from_template);
  begin_with_bos(tokenizer, ids);
  return prompt_of(model, options, std::move(ids));
}

Result<std::int64_t> template_now(const Options& options) {
  const std::optional<std::string> date = options.find_text("date");
  if (!date) {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    return std::int64_t{now} + local.tm_gmtoff;
  }
  for (const char* form : {"%Y-%m-%d", "%d %b %Y"}) {
    std::tm day{};
    const char* end = ::strptime(date->c_str(), form, &day);
    if (end && *end == '\0') return std::int64_t{::timegm(&day)};
  }
  return error(Code::kInvalidArgument,
               fmt::format("--date '{}': needs a day such as 2024-07-26 or '26 Jul 2024'", *date));
}

}  // namespace pronk::cli
