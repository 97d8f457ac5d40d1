// The program: signals, the locale, and then cli/verbs.h.
#include <clocale>
#include <exception>
#include <string>
#include <vector>

#include "cli/signals.h"
#include "cli/verbs.h"

int main(int argc, char** argv) {
  pronk::cli::install_signal_handlers();
  // Characters are UTF-8 even where the machine's locale knows none.
  if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  const std::vector<std::string> args(argv + 1, argv + argc);
  return pronk::cli::run_program(args);
}
