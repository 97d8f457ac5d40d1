#include "cli/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace pronk::cli {
namespace {

std::atomic<int> num_scopes{0};
std::atomic<int> noted{0};
int pipe_ends[2] = {-1, -1};  // a byte lies in it while a signal waits for its answer

static_assert(std::atomic<int>::is_always_lock_free, "the handler uses it");

void on_signal(int signal) {
  const int kept_errno = errno;
  int none = 0;
  if (num_scopes == 0 || !noted.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
  const char byte = 0;
  [[maybe_unused]] const ssize_t n = ::write(pipe_ends[1], &byte, 1);
  errno = kept_errno;
}

}  // namespace

void install_signal_handlers() {
  if (::pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) pipe_ends[0] = pipe_ends[1] = -1;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // nohup stays nohup
  }
  ::signal(SIGPIPE, SIG_IGN);
}

InterruptScope::InterruptScope() { ++num_scopes; }
InterruptScope::~InterruptScope() { --num_scopes; }

int noted_signal() { return noted; }

void forget_signal() {
  char bytes[16];
  while (::read(pipe_ends[0], bytes, sizeof bytes) > 0) {
  }
  noted = 0;
}

int signal_fd() { return pipe_ends[0]; }

}  // namespace pronk::cli
