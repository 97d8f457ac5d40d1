#include "chat/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "formats/model_source.h"

namespace pronk {
namespace {

struct BuiltIn {
  std::string_view name;
  std::string_view mark;  // the special token that speaks for this form; empty: any model
  std::string_view text;
};

// Plain forms for models that bring no template.
constexpr BuiltIn kBuiltIn[] = {
    {"built-in Llama 3", "<|start_header_id|>",
     "{{ bos_token }}{% for message in messages %}"
     "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' +"
     " message['content']|trim + '<|eot_id|>' }}{% endfor %}"
     "{% if add_generation_prompt %}"
     "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"},
    {"built-in ChatML", "<|im_start|>",
     "{% for message in messages %}"
     "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
     "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"},
    {"built-in Llama 2", "",
     "{% set ns = namespace(system='') %}{% for message in messages %}"
     "{% if message['role'] == 'system' %}"
     "{% set ns.system = '<<SYS>>\\n' ~ message['content'] ~ '\\n<</SYS>>\\n\\n' %}"
     "{% elif message['role'] == 'assistant' %}{{ ' ' ~ message['content']|trim ~ ' ' ~ eos_token "
     "}}"
     "{% else %}{{ bos_token ~ '[INST] ' ~ ns.system ~ message['content']|trim ~ ' [/INST]' }}"
     "{% set ns.system = '' %}{% endif %}{% endfor %}"},
};

const BuiltIn& built_in_for(const Tokenizer& tokenizer) {
  for (const BuiltIn& form : kBuiltIn)
    if (form.mark.empty() || tokenizer.find_special(form.mark)) return form;
  return kBuiltIn[0];
}

const ChatTemplateSource* find_named(const std::vector<ChatTemplateSource>& templates,
                                     std::string_view name) {
  const auto found = std::find_if(templates.begin(), templates.end(),
                                  [&](const ChatTemplateSource& t) { return t.name == name; });
  return found == templates.end() ? nullptr : &*found;
}

const ChatTemplateSource* pick(const std::vector<ChatTemplateSource>& templates, bool with_tools) {
  const ChatTemplateSource* chosen = with_tools ? find_named(templates, "tool_use") : nullptr;
  if (!chosen) chosen = find_named(templates, "default");
  return chosen || templates.empty() ? chosen : &templates.front();
}

std::string token_text(const Tokenizer& tokenizer, std::optional<TokenId> token) {
  return token ? std::string(tokenizer.piece(*token)) : std::string();
}

std::string day_text(std::int64_t now) {
  const auto seconds = static_cast<std::time_t>(now);
  std::tm day{};
  ::gmtime_r(&seconds, &day);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%d %b %Y", &day)};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::choose(const std::vector<ChatTemplateSource>& templates,
                                          const Tokenizer& tokenizer, bool with_tools) {
  const ChatTemplateSource* chosen = pick(templates, with_tools);
  const BuiltIn& form = built_in_for(tokenizer);
  const std::string name = chosen ? chosen->name : std::string(form.name);
  const std::string_view text = chosen ? std::string_view(chosen->text) : form.text;
  JinjaTemplate compiled =
      PRONK_TRY_IN(fmt::format("chat template '{}'", name), JinjaTemplate::parse(text));
  ChatTemplate made(name, std::move(compiled), tokenizer);
  made.built_in_ = !chosen;
  made.wants_date_ = text.find("date_string") != std::string_view::npos &&
                     text.find("strftime_now") == std::string_view::npos;
  return made;
}

Result<Rendered> ChatTemplate::render(json::object variables, std::int64_t now) const {
  variables.emplace("bos_token", token_text(tokenizer_, tokenizer_.bos()));
  variables.emplace("eos_token", token_text(tokenizer_, tokenizer_.eos()));
  if (wants_date_) variables.emplace("date_string", day_text(now));
  return PRONK_TRY_IN("chat template", compiled_.render(variables, now));
}

Result<std::vector<TokenId>> ChatTemplate::prompt(json::object variables, std::int64_t now) const {
  const Rendered rendered = PRONK_TRY(render(std::move(variables), now));
  std::vector<TokenId> tokens = tokenizer_.encode(rendered.text, rendered.from_template);
  const std::optional<TokenId> bos = tokenizer_.bos();
  if (bos && tokenizer_.adds_bos() && (tokens.empty() || tokens.front() != *bos))
    tokens.insert(tokens.begin(), *bos);
  return tokens;
}

std::int64_t local_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return std::int64_t{now} + local.tm_gmtoff;
}

}  // namespace pronk
