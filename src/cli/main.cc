// The program: standard files, signals, the locale, and then cli/verbs.h.
#include <fcntl.h>
#include <unistd.h>

#include <clocale>
#include <exception>
#include <string>
#include <vector>

#include "cli/signals.h"
#include "cli/verbs.h"

namespace {

// A standard file that the caller closed (`<&-`) must not become the number of the next file that
// is opened. Stdin then is empty; stdout is open to read, so that results written to it are an
// error, not lost; what stderr would say goes nowhere.
bool open_closed_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    if (::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!open_closed_standard_files()) return 1;
  pronk::cli::install_signal_handlers();
  // Characters are UTF-8 even where the machine's locale knows none.
  if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  const std::vector<std::string> args(argv + 1, argv + argc);
  return pronk::cli::run_program(args);
}
