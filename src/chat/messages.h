// One turn of a conversation, and its form in JSON.
#pragma once
#include <string>

#include "pronk/result.h"
#include "pronk/session.h"
#include "text/json.h"

namespace pronk {

// The message as a chat template sees it: role, content (null where there is none), name,
// tool_calls, tool_call_id; empty ones are left out.
json::object to_json(const Message& message);
// kCorruptData: no role, or a member of the wrong type.
Result<Message> message_from_json(const json::value& value);

}  // namespace pronk
