// Runs the real program: with pipes, or at a terminal of its own.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace pronk::e2e {

struct Setting {
  std::map<std::string, std::string> environment;  // beside a clean one
  std::string stdout_path;                         // "/dev/full"; empty: a pipe
  int closed_fd = -1;                              // a standard file that it starts without
  bool terminal = false;                           // stdin, stdout and stderr are one new terminal
};

// What a program that ended left. At a terminal everything is in `out`, with \r\n for newlines.
struct Outcome {
  int status = -1;  // as a shell has it: 128 + signal when one killed it
  std::string out, err;
};

// A started `pronk`. Killed when it is destroyed before it ended. HOME and the store lie in a
// folder of the test's own, so nothing of the machine's is read or written.
class Process {
 public:
  explicit Process(const std::vector<std::string>& args, const Setting& setting = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void type(const std::string& text);  // to its stdin
  void close_input();
  void close_output();  // hangs up on its stdout
  void send(int signal);
  // Waits until its output (or, at a terminal, all it shows) has `text`, beginning where the last
  // call ended; false after the time or when it ended without.
  bool wait_for(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(60));
  Outcome wait(std::chrono::seconds limit = std::chrono::seconds(120));

 private:
  bool read_some(std::chrono::milliseconds limit);

  pid_t pid_ = -1;
  int input_ = -1, output_ = -1, errors_ = -1;
  std::size_t seen_ = 0;
  Outcome outcome_;
};

// Runs to the end with this on stdin.
Outcome run_pronk(const std::vector<std::string>& args, const std::string& input = "",
                  const Setting& setting = {});

// The test run's own folder, removed at its end.
const std::filesystem::path& scratch();

}  // namespace pronk::e2e
