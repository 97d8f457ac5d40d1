#include "e2e/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace pronk::e2e {
namespace {

using Clock = std::chrono::steady_clock;

struct ScratchFolder {
  std::filesystem::path path;
  ScratchFolder() {
    std::string pattern = ::testing::TempDir() + "pronk-e2e-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

std::vector<std::string> clean_environment(const Setting& setting) {
  const std::filesystem::path home = scratch() / "home";
  std::filesystem::create_directories(home);
  std::map<std::string, std::string> variables = {{"HOME", home.string()},
                                                  {"PATH", "/usr/bin:/bin"},
                                                  {"LANG", "C.UTF-8"},
                                                  {"TERM", setting.terminal ? "xterm" : "dumb"}};
  for (const char* kept : {"PRONK_ISA", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(kept)) variables[kept] = value;
  for (const auto& [name, value] : setting.environment) variables[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

void close_fd(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

}  // namespace

const std::filesystem::path& scratch() {
  static const ScratchFolder folder;
  return folder.path;
}

Process::Process(const std::vector<std::string>& args, const Setting& setting) {
  ::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words = {PRONK_PROGRAM};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<std::string> lines = clean_environment(setting);
  std::vector<char*> argv = pointers(words), envp = pointers(lines);
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  if (setting.terminal) {
    const winsize size = {.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = ::forkpty(&output_, nullptr, nullptr, &size);
    input_ = output_;
  } else {
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0)
      std::abort();
    pid_ = ::fork();
  }
  if (pid_ == 0) {
    if (!setting.terminal) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(setting.stdout_path.empty() ? out[1] : ::open(setting.stdout_path.c_str(), O_WRONLY),
             STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      if (setting.closed_fd >= 0) ::close(setting.closed_fd);
    }
    ::signal(SIGPIPE, SIG_DFL);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  if (setting.terminal) return;
  close_fd(in[0]);
  close_fd(out[1]);
  close_fd(err[1]);
  input_ = in[1], output_ = out[0], errors_ = err[0];
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (input_ != output_) close_fd(input_);
  close_fd(output_);
  close_fd(errors_);
}

void Process::type(const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(input_, rest.data(), rest.size());
    if (n <= 0) return;  // it does not read on
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Process::close_input() {
  if (input_ != output_) close_fd(input_);
}

void Process::close_output() { close_fd(output_); }

void Process::send(int signal) { ::kill(pid_, signal); }

// Takes what is there, waiting at most this long; false when both ends are closed.
bool Process::read_some(std::chrono::milliseconds limit) {
  pollfd fds[] = {{output_, POLLIN, 0}, {errors_, POLLIN, 0}};
  if (output_ < 0 && errors_ < 0) return false;
  ::poll(fds, 2, static_cast<int>(limit.count()));
  const auto take = [](pollfd& p, int& fd, std::string& text) {
    if (fd < 0 || !p.revents) return;
    char buffer[1 << 16];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n > 0)
      text.append(buffer, static_cast<std::size_t>(n));
    else if (n == 0 || errno != EINTR)  // a terminal ends with EIO
      close_fd(fd);
  };
  const bool shared = input_ == output_;
  take(fds[0], output_, outcome_.out);
  if (shared) input_ = output_;
  take(fds[1], errors_, outcome_.err);
  return true;
}

bool Process::wait_for(const std::string& text, std::chrono::seconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    if (const std::size_t at = outcome_.out.find(text, seen_); at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (Clock::now() > deadline || !read_some(std::chrono::milliseconds(100))) return false;
  }
}

Outcome Process::wait(std::chrono::seconds limit) {
  const auto deadline = Clock::now() + limit;
  while (Clock::now() < deadline && read_some(std::chrono::milliseconds(100))) {
  }
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < deadline)
    ::usleep(10'000);
  if (ended != pid_) {
    ADD_FAILURE() << "the program did not end; so far it wrote: " << outcome_.out << outcome_.err;
    return outcome_;
  }
  pid_ = -1;
  outcome_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome_;
}

Outcome run_pronk(const std::vector<std::string>& args, const std::string& input,
                  const Setting& setting) {
  Process process(args, setting);
  process.type(input);
  process.close_input();
  return process.wait();
}

}  // namespace pronk::e2e
