// Messages become a prompt by the model's own chat template.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/result.h"
#include "pronk/tokenizer.h"
#include "text/jinja.h"
#include "text/json.h"

namespace pronk {

struct ChatTemplateSource;  // formats/model_source.h

// A model's compiled template. Immutable; any thread. The tokenizer is shared.
class ChatTemplate {
 public:
  // Of several templates "tool_use" is taken when there are tools, else "default", else the first.
  // A model without one gets the form that its special tokens speak for: Llama 3's headers, ChatML,
  // else Llama 2's [INST]. Error: kInvalidArgument with the line of what does not compile.
  static Result<ChatTemplate> choose(const std::vector<ChatTemplateSource>& templates,
                                     const Tokenizer& tokenizer, bool with_tools);

  // `variables`: messages, tools, add_generation_prompt, ... Added where they are missing:
  // bos_token, eos_token, and date_string if the template names it without strftime_now (then today
  // as "26 Jul 2024"). now: seconds since the epoch in local time.
  Result<Rendered> render(json::object variables, std::int64_t now) const;
  // The rendered text as tokens: specials only where the template wrote them, and BOS first where
  // the tokenizer's file says so, never twice.
  Result<std::vector<TokenId>> prompt(json::object variables, std::int64_t now) const;

  std::string_view name() const { return name_; }  // "default", "tool_use", "built-in ChatML", ...
  bool is_built_in() const { return built_in_; }

 private:
  ChatTemplate(std::string name, JinjaTemplate compiled, Tokenizer tokenizer)
      : name_(std::move(name)), compiled_(std::move(compiled)), tokenizer_(std::move(tokenizer)) {}

  std::string name_;
  JinjaTemplate compiled_;
  Tokenizer tokenizer_;
  bool built_in_ = false;
  bool wants_date_ = false;  // reads date_string and cannot ask strftime_now
};

// Now, in seconds since the epoch in local time.
std::int64_t local_now();

}  // namespace pronk
