// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA avx2_vnni
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx2Vnni;
extern const KernelTable kAvx2Vnni;
const KernelTable kAvx2Vnni{"avx2_vnni", kLinearAvx2Vnni, avx2_vnni::kVector, avx2_vnni::kAttend};
}  // namespace pronk::kernels
