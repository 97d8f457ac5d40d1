// One line of input from a person at a terminal: libedit with UTF-8, history and Ctrl-R; where the
// terminal can do nothing, plain lines.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "cli/console.h"

namespace pronk::cli {

class LineEditor {
 public:
  enum class Kind { kLine, kEnd, kInterrupted };  // Enter; Ctrl-D or a closed terminal; Ctrl-C
  struct Input {
    Kind kind;
    std::string text;  // without the newline; what a paste broke into lines keeps its newlines
  };

  // `history`: a file that only its owner may read (0600), made when it is missing; empty: none is
  // kept. A plain terminal moves no cursor: its own line editing is used. Lives within an
  // InterruptScope, on the main thread.
  LineEditor(std::filesystem::path history, bool plain_terminal);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  Input read(const std::string& prompt);
  void remember(const std::string& entry);  // in the history, and in its file at once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pronk::cli
