#include "pronk/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "base/file.h"
#include "chat/chat_template.h"
#include "chat/default_sampling.h"
#include "chat/messages.h"
#include "formats/model_source.h"

namespace pronk {
namespace {

constexpr std::string_view kFormat = "pronk session";
constexpr int kVersion = 1;

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
  std::vector<TokenId> last_prompt;
  std::vector<TokenRange> last_replies;  // in it

  json::array messages_with(const Message& last) const;
  std::vector<TokenRange> find_replies(const std::vector<TokenId>& prompt);
};

json::array Session::Impl::messages_with(const Message& last) const {
  json::array all;
  if (!options.system.empty())
    all.push_back(json::object{{"role", "system"}, {"content", options.system}});
  for (const Message& message : messages) all.push_back(to_json(message));
  all.push_back(to_json(last));
  return all;
}

// What was replied to the last prompt comes after it, up to a token that ends replies.
std::vector<TokenRange> Session::Impl::find_replies(const std::vector<TokenId>& prompt) {
  const auto [mine, last] =
      std::mismatch(prompt.begin(), prompt.end(), last_prompt.begin(), last_prompt.end());
  const int num_same = static_cast<int>(mine - prompt.begin());
  std::erase_if(last_replies, [&](const TokenRange& reply) { return reply.end > num_same; });
  if (last == last_prompt.end() && num_same > 0) {
    const auto ends = engine.model().tokenizer().end_tokens();
    const auto end = std::find_first_of(mine, prompt.end(), ends.begin(), ends.end());
    if (end != prompt.end() && end != mine)
      last_replies.push_back({num_same, static_cast<int>(end - prompt.begin())});
  }
  last_prompt = prompt;
  return last_replies;
}

Result<Reply> read_reply(Stream& stream, const std::function<void(const Event&)>& on_event) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point start = Clock::now();
  Reply reply;
  while (std::optional<Event> event = stream.next()) {
    if (event->error) return *std::move(event->error);
    if (on_event) on_event(*event);
    if (event->token && reply.tokens.empty()) reply.first_token_seconds = seconds_since(start);
    if (event->token) reply.tokens.push_back(*std::move(event->token));
    reply.text += event->text;
    if (event->finish) reply.finish = *event->finish;
  }
  reply.total_seconds = seconds_since(start);
  return reply;
}

Result<Session> Session::create(Engine& engine, ChatOptions options) {
  const Model& model = engine.model();
  if (!model.has_tokenizer())
    return error(Code::kNotFound,
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
                                                .stream = {},
                                                .last_prompt = {},
                                                .last_replies = {}}));
}

Result<Prompt> Session::prompt_for(const Message& message) {
  if (!message.tool_calls_json.empty()) {
    const json::value calls = PRONK_TRY_IN("chat: tool calls", parse_json(message.tool_calls_json));
    if (!calls.is_array())
      return error(Code::kInvalidArgument, "chat: tool calls: needs a JSON array");
  }
  json::object variables = impl_->kwargs.get_object();
  variables["messages"] = impl_->messages_with(message);
  variables["add_generation_prompt"] = true;
  if (!impl_->tools.get_array().empty()) variables["tools"] = impl_->tools;
  const ChatOptions& options = impl_->options;
  const std::int64_t now = options.now ? *options.now : local_now();
  Prompt prompt;
  prompt.tokens = PRONK_TRY(impl_->chat_template.prompt(std::move(variables), now));
  prompt.replies = impl_->find_replies(prompt.tokens);
  prompt.sampling = options.sampling ? *options.sampling
                                     : default_sampling(impl_->engine.model().source().generation);
  prompt.max_tokens = options.max_tokens;
  prompt.stop = options.stop;
  return prompt;
}

void Session::keep(Message message, std::string reply) {
  impl_->messages.push_back(std::move(message));
  impl_->messages.push_back({.role = "assistant", .content = std::move(reply)});
}

Result<Reply> Session::say(Message message,
                           const std::function<void(std::string_view delta)>& on_delta) {
  Prompt prompt = PRONK_TRY(prompt_for(message));
  const auto num_prompt_tokens = static_cast<int>(prompt.tokens.size());
  Stream submitted = PRONK_TRY(impl_->engine.submit(std::move(prompt)));
  {
    const std::lock_guard lock(impl_->stream_mutex);
    impl_->stream.emplace(std::move(submitted));
  }
  Result<Reply> reply = read_reply(*impl_->stream, [&](const Event& event) {
    if (on_delta && !event.text.empty()) on_delta(event.text);
  });
  {
    const std::lock_guard lock(impl_->stream_mutex);
    impl_->stream.reset();
  }
  if (!reply) return reply;
  reply->num_prompt_tokens = num_prompt_tokens;
  keep(std::move(message), reply->text);
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
