// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA avx512_vnni
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx512Vnni;
extern const KernelTable kAvx512Vnni;
const KernelTable kAvx512Vnni{"avx512_vnni", kLinearAvx512Vnni, avx512_vnni::kVector,
                              avx512_vnni::kAttend};
}  // namespace pronk::kernels
