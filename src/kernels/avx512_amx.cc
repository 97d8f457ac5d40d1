// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA avx512_amx
#define PRONK_AMX  // gcc and clang name the macro of this feature differently
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx512Amx;
extern const KernelTable kAvx512Amx;
const KernelTable kAvx512Amx{"avx512_amx", kLinearAvx512Amx, avx512_amx::kVector,
                             avx512_amx::kAttend};
}  // namespace pronk::kernels
