// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA avx2
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx2;
extern const KernelTable kAvx2;
const KernelTable kAvx2{"avx2", kLinearAvx2, avx2::kVector, avx2::kAttend};
}  // namespace pronk::kernels
