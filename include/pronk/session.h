// A conversation with a model.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pronk/engine.h"
#include "pronk/result.h"
#include "pronk/sampling.h"

namespace pronk {

struct Message {
  std::string role{};             // "system", "user", "assistant", "ipython", "tool"
  std::string content{};          // UTF-8
  std::string name{};             // of the tool that a "tool" message comes from
  std::string tool_call_id{};     // which call it answers
  std::string tool_calls_json{};  // a JSON array of an assistant's calls; empty: none
};

struct ChatOptions {
  std::string system{};                // the system message; empty: none
  std::string tools_json{};            // a JSON array of function descriptions; empty: none
  std::string template_kwargs_json{};  // a JSON object of further template variables
  // Unset: the model's generation_config, else temperature 0.6 and top_p 0.9 (default_sampling).
  std::optional<SamplingParams> sampling{};
  int max_tokens = 0;  // of a reply; 0: until the context is full
  std::vector<std::string> stop{};
  // What templates take for now: seconds since the epoch in local time; unset: the clock's.
  std::optional<std::int64_t> now{};
};

struct Reply {
  std::string text;
  std::vector<Picked> tokens;
  FinishReason finish = FinishReason::kEnd;
  int num_prompt_tokens = 0;  // set by who made the prompt
  double first_token_seconds = 0, total_seconds = 0;
};

// Reads a stream to its end; `on_event` gets each event first. A cancelled one gives what came.
Result<Reply> read_reply(Stream& stream, const std::function<void(const Event&)>& on_event = {});

// One conversation over an Engine, which must outlive it; keeps the messages. One thread at a time,
// but cancel() may come from any.
class Session {
 public:
  // kNotFound: the model has no tokenizer; kInvalidArgument: options that are not JSON, or a
  // chat template that does not compile.
  static Result<Session> create(Engine& engine, ChatOptions options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Adds the message and the model's reply to the conversation. `on_delta` gets the reply as it
  // comes. On an error neither is kept; a cancelled reply is kept as far as it came.
  Result<Reply> say(Message message,
                    const std::function<void(std::string_view delta)>& on_delta = {});
  void cancel();  // ends the reply under way

  // The two halves of say(), for a caller who reads the reply in a way of its own: the prompt of
  // everything said so far and the message, and keeping the message with what was replied.
  Result<Prompt> prompt_for(const Message& message);
  void keep(Message message, std::string reply);

  const std::vector<Message>& messages() const;  // without the system message
  void clear();                                  // forgets the messages, not the system message
  ChatOptions& options();  // a change counts from the next say(); tools and kwargs stay as created
  // Which template renders the prompts: "default", "tool_use", or what stands in for a missing one.
  std::string_view template_name() const;

  // The conversation as a JSON file, written whole or not at all.
  Status save(const std::filesystem::path& path) const;
  // Replaces system message and messages. kCorruptData leaves the session as it was.
  Status load(const std::filesystem::path& path);

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pronk
