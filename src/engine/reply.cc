#include "engine/reply.h"

#include <fmt/format.h>

#include <algorithm>

namespace pronk {
namespace {

Status check_prompt(const Prompt& prompt, const ReplySequence::Setup& setup) {
  const auto refuse = [](std::string message) {
    return error(Code::kInvalidArgument, "prompt: " + std::move(message));
  };
  if (prompt.tokens.empty()) return refuse("it has no tokens, at least one is needed");
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i)
    if (prompt.tokens[i] < 0 || prompt.tokens[i] >= setup.vocab_size)
      return refuse(fmt::format("token {} at position {} does not exist, the model's are 0 to {}",
                                prompt.tokens[i], i, setup.vocab_size - 1));
  int end = 0;
  for (const TokenRange& reply : prompt.replies) {
    if (reply.begin < end || reply.end < reply.begin ||
        static_cast<std::size_t>(reply.end) > prompt.tokens.size())
      return refuse(fmt::format("tokens {} to {} are no reply in it", reply.begin, reply.end));
    end = reply.end;
  }
  if (prompt.tokens.size() >= static_cast<std::size_t>(setup.context))
    return refuse(
        fmt::format("it is {} tokens long, the context holds {} with at least one of the reply; "
                    "shorten it or start with a longer context",
                    prompt.tokens.size(), setup.context));
  if (prompt.max_tokens < 0)
    return refuse(fmt::format("max_tokens is {}, must be 0 (no limit) or more", prompt.max_tokens));
  for (const std::string& stop : prompt.stop)
    if (stop.empty()) return refuse("a stop text is empty; leave it out");
  if (!prompt.stop.empty() && !setup.tokenizer)
    return refuse("stop texts need a tokenizer, the model has none; use end_tokens");
  return Ok{};
}

std::vector<TokenId> end_tokens_of(const Prompt& prompt, const Tokenizer* tokenizer) {
  if (prompt.ignore_eos) return {};
  if (!prompt.end_tokens.empty() || !tokenizer) return prompt.end_tokens;
  const auto ends = tokenizer->end_tokens();
  return {ends.begin(), ends.end()};
}

// What lies between the replies.
std::vector<TokenRange> prompts_of(const Prompt& prompt) {
  std::vector<TokenRange> prompts;
  int begin = 0;
  for (const TokenRange& reply : prompt.replies) {
    if (reply.begin > begin) prompts.push_back({begin, reply.begin});
    begin = reply.end;
  }
  const int end = static_cast<int>(prompt.tokens.size());
  if (end > begin) prompts.push_back({begin, end});
  return prompts;
}

}  // namespace

Result<std::unique_ptr<ReplySequence>> ReplySequence::create(const Prompt& prompt,
                                                             const Setup& setup,
                                                             std::shared_ptr<EventQueue> events) {
  PRONK_TRY(check_prompt(prompt, setup));
  std::function<std::string_view(TokenId)> piece;
  if (setup.tokenizer)
    piece = [tokenizer = *setup.tokenizer](TokenId token) { return tokenizer.piece(token); };
  Sampler sampler = PRONK_TRY(Sampler::create(prompt.sampling, setup.vocab_size, piece));
  for (const TokenId token : prompt.tokens) sampler.accept(token);
  return std::unique_ptr<ReplySequence>(
      new ReplySequence(prompt, setup, std::move(sampler), std::move(events)));
}

ReplySequence::ReplySequence(const Prompt& prompt, const Setup& setup, Sampler sampler,
                             std::shared_ptr<EventQueue> events)
    : sampler_(std::move(sampler)),
      stops_(prompt.stop),
      end_tokens_(end_tokens_of(prompt, setup.tokenizer)),
      num_prompt_(static_cast<int>(prompt.tokens.size())),
      most_tokens_(setup.context),
      events_(std::move(events)) {
  tokens = prompt.tokens;
  if (setup.reads_prompts_apart) prompts = prompts_of(prompt);
  cache_namespace = prompt.cache_namespace;
  if (prompt.max_tokens > 0 && prompt.max_tokens < setup.context - num_prompt_)
    most_tokens_ = num_prompt_ + prompt.max_tokens;
  if (setup.tokenizer) detokenizer_.emplace(*setup.tokenizer);
}

std::string ReplySequence::spell(TokenId token) {
  return detokenizer_ ? stops_.push(detokenizer_->push(token)) : "";
}

bool ReplySequence::is_end(TokenId token) const {
  return std::find(end_tokens_.begin(), end_tokens_.end(), token) != end_tokens_.end();
}

ReplySequence::Picks ReplySequence::pick(std::span<float> logits, int num_draft) {
  const auto num_rows = static_cast<std::size_t>(num_draft) + 1;
  const std::size_t vocab_size = logits.size() / num_rows;
  Picks picks;
  for (std::size_t i = 0; i < num_rows; ++i) {
    Result<Picked> picked = sampler_.pick(logits.subspan(i * vocab_size, vocab_size));
    if (!picked) {
      picks.error = std::move(picked).error();
      break;
    }
    const TokenId token = picked->token;
    sampler_.accept(token);
    picks.tokens.push_back(*std::move(picked));
    if (is_end(token) || i + 1 == num_rows || token != draft[i]) break;
  }
  return picks;
}

bool ReplySequence::accept(Picked picked) {
  const TokenId token = picked.token;
  if (is_end(token)) {
    finish(FinishReason::kEnd);
    return true;
  }
  tokens.push_back(token);
  Event event;
  event.text = spell(token);
  event.token = std::move(picked);
  events_->push(std::move(event));
  if (stops_.stopped())
    finish(FinishReason::kStop);
  else if (num_tokens() >= most_tokens_)
    finish(FinishReason::kLength);
  else
    return false;
  return true;
}

void ReplySequence::tell_progress() {
  const int done = std::min(num_computed, num_prompt_);
  if (done <= num_prompt_told_) return;
  num_prompt_told_ = done;
  Event event;
  event.num_prompt_done = done;
  event.num_prompt_cached = std::min(num_from_cache, num_prompt_);
  events_->push(std::move(event));
}

void ReplySequence::finish(FinishReason reason, std::optional<Error> error) {
  Event event;
  if (detokenizer_) event.text = stops_.push(detokenizer_->finish());
  event.text += stops_.finish();
  event.finish = stops_.stopped() && !error ? FinishReason::kStop : reason;
  event.error = std::move(error);
  events_->push(std::move(event));
}

}  // namespace pronk
