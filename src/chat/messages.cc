#include "chat/messages.h"

#include <fmt/format.h>

namespace pronk {

json::object to_json(const Message& message) {
  json::object object = {{"role", message.role}, {"content", message.content}};
  if (!message.name.empty()) object["name"] = message.name;
  if (!message.tool_call_id.empty()) object["tool_call_id"] = message.tool_call_id;
  if (message.tool_calls_json.empty()) return object;
  // Checked when the message came in; what does not read as JSON is left out.
  if (Result<json::value> calls = parse_json(message.tool_calls_json))
    object["tool_calls"] = *std::move(calls);
  return object;
}

Result<Message> message_from_json(const json::value& value) {
  Message message;
  const auto text = [&](std::string_view key, std::string* out) -> Status {
    const json::value* member = find(value, key);
    if (!member || member->is_null()) return Ok{};
    if (!member->is_string())
      return error(Code::kCorruptData, fmt::format("message: '{}' is not a string", key));
    *out = std::string(member->get_string());
    return Ok{};
  };
  if (!find_string(value, "role"))
    return error(Code::kCorruptData, "message: needs an object with a string 'role'");
  PRONK_TRY(text("role", &message.role));
  PRONK_TRY(text("content", &message.content));
  PRONK_TRY(text("name", &message.name));
  PRONK_TRY(text("tool_call_id", &message.tool_call_id));
  if (const json::value* calls = find(value, "tool_calls"); calls && !calls->is_null()) {
    if (!calls->is_array())
      return error(Code::kCorruptData, "message: 'tool_calls' is not an array");
    message.tool_calls_json = json::serialize(*calls);
  }
  return message;
}

}  // namespace pronk
