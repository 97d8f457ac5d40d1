// Ctrl-C, SIGTERM and closed pipes.
//
// Outside an InterruptScope the first signal ends the program at once, with 128 + its number.
// Inside one it is only noted, for whoever cleans up; a second one, before the first was answered,
// ends the program all the same. A closed pipe raises nothing: writing to it fails (console.h).
#pragma once

namespace pronk::cli {

void install_signal_handlers();

// From here to its end, signals are noted. Scopes nest. Main thread.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

// The signal that was noted (SIGINT, SIGTERM), 0 for none. Any thread.
int noted_signal();
void forget_signal();  // it was answered
int signal_fd();       // readable from a noted signal until forget_signal(): for poll()

}  // namespace pronk::cli
