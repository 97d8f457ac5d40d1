#include "pronk/session.h"

#include <fmt/format.h>

#include <chrono>
#include <mutex>

#include "base/file.h"
#include "chat/chat_template.h"
#include "chat/messages.h"
#include "formats/model_source.h"

namespace pronk {
namespace {

constexpr std::string_view kFormat = "pronk session";
constexpr int kVersion = 1;

// What the model's files ask for, else Meta's defaults for Llama 3.
SamplingParams default_sampling(const GenerationDefaults& file) {
  SamplingParams params;
  const bool greedy = file.do_sample.has_value() && !*file.do_sample;
  params.temperature = greedy ? 0 : file.temperature.value_or(0.6);
  params.top_p = file.top_p.value_or(0.9);
  params.top_k = file.top_k.value_or(0);
  params.min_p = file.min_p.value_or(0);
  params.repeat_penalty = file.repetition_penalty.value_or(1);
  return params;
}

Result<json::value> parse_option(std::string_view name, const std::string& text, bool array) {
  if (text.empty()) return json::value(array ? json::value(json::array()) : json::object());
  json::value value = PRONK_TRY_IN(name, parse_json(text));
  if (array ? value.is_array() : value.is_object()) return value;
  return error(Code::kInvalidArgument,
               fmt::format("{}: needs a JSON {}", name, array ? "array" : "object"));
}

struct LoadedConversation {
  std::string system;
  std::vector<Message> messages;
};

Result<LoadedConversation> read_conversation(const json::value& value) {
  const json::string* format = find_string(value, "format");
  if (!format || *format != kFormat)
    return error(Code::kCorruptData, "not a conversation that a session saved");
  const json::value* version = find(value, "version");
  if (!version || !version->is_int64() || version->get_int64() != kVersion)
    return error(Code::kUnsupported,
                 fmt::format("a conversation of another version, this build reads {}", kVersion));
  const json::string* system = find_string(value, "system");
  const json::array* messages = find_array(value, "messages");
  if (!system || !messages)
    return error(Code::kCorruptData, "needs a string 'system' and an array 'messages'");
  LoadedConversation loaded{std::string(*system), {}};
  for (const json::value& message : *messages)
    loaded.messages.push_back(PRONK_TRY(message_from_json(message)));
  return loaded;
}

}  // namespace

struct Session::Impl {
  Engine& engine;
  ChatOptions options;
  ChatTemplate chat_template;
  json::value tools;   // an array; empty: none
  json::value kwargs;  // an object
  std::vector<Message> messages;
  std::mutex stream_mutex;
  std::optional<Stream> stream;  // the reply under way

  Result<Prompt> prompt_for(const Message& last) const;
  Result<Reply> read_reply(const std::function<void(std::string_view)>& on_delta);
};

// Everything said so far and the new message, through the template.
Result<Prompt> Session::Impl::prompt_for(const Message& last) const {
  json::array all;
  if (!options.system.empty())
    all.push_back(json::object{{"role", "system"}, {"content", options.system}});
  for (const Message& message : messages) all.push_back(to_json(message));
  all.push_back(to_json(last));
  json::object variables = kwargs.get_object();
  variables["messages"] = std::move(all);
  variables["add_generation_prompt"] = true;
  if (!tools.get_array().empty()) variables["tools"] = tools;
  const std::int64_t now = options.now ? *options.now : local_now();
  Prompt prompt;
  prompt.tokens = PRONK_TRY(chat_template.prompt(std::move(variables), now));
  prompt.sampling =
      options.sampling ? *options.sampling : default_sampling(engine.model().source().generation);
  prompt.max_tokens = options.max_tokens;
  prompt.stop = options.stop;
  return prompt;
}

Result<Reply> Session::Impl::read_reply(const std::function<void(std::string_view)>& on_delta) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point start = Clock::now();
  Reply reply;
  while (std::optional<Event> event = stream->next()) {
    if (event->error) return *std::move(event->error);
    if (event->token && reply.generated_tokens++ == 0)
      reply.first_token_seconds = seconds_since(start);
    reply.text += event->text;
    if (on_delta && !event->text.empty()) on_delta(event->text);
    if (event->finish) reply.finish = *event->finish;
  }
  reply.total_seconds = seconds_since(start);
  return reply;
}

Result<Session> Session::create(Engine& engine, ChatOptions options) {
  const Model& model = engine.model();
  if (!model.has_tokenizer())
    return error(Code::kUnsupported,
                 "chat: the model has no tokenizer; put its tokenizer file beside the weights");
  json::value tools = PRONK_TRY(parse_option("chat: tools", options.tools_json, true));
  json::value kwargs =
      PRONK_TRY(parse_option("chat: template variables", options.template_kwargs_json, false));
  ChatTemplate chat_template = PRONK_TRY(ChatTemplate::choose(
      model.source().chat_templates, model.tokenizer(), !tools.get_array().empty()));
  return Session(std::unique_ptr<Impl>(new Impl{.engine = engine,
                                                .options = std::move(options),
                                                .chat_template = std::move(chat_template),
                                                .tools = std::move(tools),
                                                .kwargs = std::move(kwargs),
                                                .messages = {},
                                                .stream_mutex = {},
                                                .stream = {}}));
}

Result<Reply> Session::say(Message message,
                           const std::function<void(std::string_view delta)>& on_delta) {
  if (!message.tool_calls_json.empty()) {
    const json::value calls = PRONK_TRY_IN("chat: tool calls", parse_json(message.tool_calls_json));
    if (!calls.is_array())
      return error(Code::kInvalidArgument, "chat: tool calls: needs a JSON array");
  }
  Prompt prompt = PRONK_TRY(impl_->prompt_for(message));
  const int prompt_tokens = static_cast<int>(prompt.tokens.size());
  Stream stream = PRONK_TRY(impl_->engine.submit(std::move(prompt)));
  {
    const std::lock_guard lock(impl_->stream_mutex);
    impl_->stream.emplace(std::move(stream));
  }
  Result<Reply> reply = impl_->read_reply(on_delta);
  {
    const std::lock_guard lock(impl_->stream_mutex);
    impl_->stream.reset();
  }
  if (!reply) return reply;
  reply->prompt_tokens = prompt_tokens;
  Message answer;
  answer.role = "assistant";
  answer.content = reply->text;
  impl_->messages.push_back(std::move(message));
  impl_->messages.push_back(std::move(answer));
  return reply;
}

void Session::cancel() {
  const std::lock_guard lock(impl_->stream_mutex);
  if (impl_->stream) impl_->stream->cancel();
}

const std::vector<Message>& Session::messages() const { return impl_->messages; }
void Session::clear() { impl_->messages.clear(); }
ChatOptions& Session::options() { return impl_->options; }
std::string_view Session::template_name() const { return impl_->chat_template.name(); }

Status Session::save(const std::filesystem::path& path) const {
  json::array messages;
  for (const Message& message : impl_->messages) messages.push_back(to_json(message));
  const json::object object = {{"format", kFormat},
                               {"version", kVersion},
                               {"system", impl_->options.system},
                               {"messages", std::move(messages)}};
  return PRONK_TRY_IN(fmt::format("save the conversation '{}'", path.string()),
                      write_file(path, json::serialize(object) + "\n"));
}

Status Session::load(const std::filesystem::path& path) {
  const std::string step = fmt::format("load the conversation '{}'", path.string());
  const std::string text = PRONK_TRY_IN(step, read_file(path));
  const json::value value = PRONK_TRY_IN(step, parse_json(text));
  LoadedConversation loaded = PRONK_TRY_IN(step, read_conversation(value));
  impl_->options.system = std::move(loaded.system);
  impl_->messages = std::move(loaded.messages);
  return Ok{};
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

}  // namespace pronk
