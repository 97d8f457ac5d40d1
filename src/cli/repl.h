// The chat at a terminal: reads messages, streams replies, obeys commands that begin with a slash.
#pragma once
#include "cli/line_editor.h"
#include "cli/prompts.h"
#include "cli/reply.h"
#include "cli/verbs.h"

namespace pronk::cli {

class Repl {
 public:
  // `options`: those of `run`, which /set changes.
  Repl(Console& console, Engine& engine, Options options, Session session);
  // Until /bye or Ctrl-D: Ok. Ctrl-C twice at the prompt or SIGTERM: kCancelled.
  Status run();

 private:
  enum class Next { kGoOn, kLeave };
  Status answer(const std::string& message);
  Next obey(const std::string& line);
  Status set(const std::string& words);
  Status show(const std::string& what);
  std::optional<std::string> read_block(std::string text);
  void say(std::string_view text) { console_.raw_note(std::string(text) + "\n"); }

  Console& console_;
  Engine& engine_;
  Options options_;
  Session session_;
  LineEditor editor_;
  bool keep_history_;
};

}  // namespace pronk::cli
