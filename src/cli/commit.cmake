# Writes OUT, a C++ file that holds VERSION and the commit of SOURCE; only when it changed, so that nothing is rebuilt in vain.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_QUIET RESULT_VARIABLE failed)
if(failed OR NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[#include "cli/version.h"

namespace pronk::cli {

const char* version_string() { return "@VERSION@"; }
const char* commit_string() { return "@commit@"; }

}  // namespace pronk::cli
]] @ONLY)
