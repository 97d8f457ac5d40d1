// For tests: a CPU's tiles (AMX), in software, so that kernels written for them run on others.
#pragma once

namespace pronk::kernels {

// From now on, all threads can execute the instructions of amx.inc.h, each with tiles of its own: a
// handler of SIGILL does what Intel's manual says of them, to the bit but for which NaN. That takes
// microseconds each. Other illegal instructions end the process as before, as do those that a CPU
// with tiles refuses: shapes that do not fit, a tile twice in a product. Calling it again does no
// harm.
// Limits: Linux on x86-64, elsewhere it does nothing; a CPU with tiles must not be left to execute
// some of them itself; no prefixes (segments), operands relative to RIP, or start row; signal
// handlers share the tiles of the thread that they interrupt.
void emulate_amx();

}  // namespace pronk::kernels
