#include "cli/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "chat/chat_template.h"
#include "cli/sampling_options.h"

namespace pronk::cli {

Result<std::vector<TokenId>> raw_prompt(Console& console, const Model& model,
                                        std::string_view text) {
  if (!model.has_tokenizer())
    return error(Code::kNotFound,
                 "prompt: the model has no tokenizer; put its tokenizer file beside the weights");
  const Tokenizer& tokenizer = model.tokenizer();
  std::size_t num_dropped = 0;
  std::vector<TokenId> ids = tokenizer.encode(text, Specials::kRecognise, &num_dropped);
  warn_of_dropped(console, num_dropped, text.size());
  const std::optional<TokenId> bos = tokenizer.bos();
  if (bos && tokenizer.adds_bos() && (ids.empty() || ids[0] != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

void warn_of_dropped(Console& console, std::size_t num_dropped, std::size_t num_bytes) {
  if (num_dropped > 0)
    console.warn(fmt::format("{} of {} bytes are left out: this vocabulary has no tokens for them",
                             num_dropped, num_bytes));
}

void warn_of_dropped(Console& console, const Tokenizer& tokenizer, std::string_view message) {
  std::size_t num_dropped = 0;
  tokenizer.encode(message, Specials::kAsText, &num_dropped);
  warn_of_dropped(console, num_dropped, message.size());
}

Status apply_options(const Model& model, const Options& options, Prompt* prompt) {
  prompt->sampling = PRONK_TRY(sampling_of(options, model.source().generation));
  prompt->sampling.num_logprobs = static_cast<int>(options.integer("logprobs"));
  prompt->max_tokens = static_cast<int>(std::max<std::int64_t>(options.integer("predict"), 0));
  prompt->ignore_eos = options.flag("ignore-eos");
  prompt->stop = options.texts("stop");
  return Ok{};
}

Result<ChatOptions> chat_options(const Options& options) {
  ChatOptions chat;
  chat.system = options.text("system");
  chat.now = PRONK_TRY(template_now(options));
  return chat;
}

const std::string* default_template(const ModelSource& source) {
  for (const ChatTemplateSource& each : source.chat_templates)
    if (each.name == "default") return &each.text;
  return source.chat_templates.empty() ? nullptr : &source.chat_templates[0].text;
}

Result<std::int64_t> template_now(const Options& options) {
  const std::optional<std::string> date = options.find_text("date");
  if (!date) return local_now();
  for (const char* form : {"%Y-%m-%d", "%d %b %Y"}) {
    std::tm day{};
    const char* end = ::strptime(date->c_str(), form, &day);
    if (!end || *end != '\0') continue;
    const int written_day = day.tm_mday;
    const std::int64_t seconds = ::timegm(&day);  // turns 30 February into 1 March
    if (day.tm_mday == written_day) return seconds;
  }
  return error(Code::kInvalidArgument,
               fmt::format("--date '{}': needs a day of the calendar, such as 2024-07-26 or "
                           "'26 Jul 2024'",
                           *date));
}

}  // namespace pronk::cli
