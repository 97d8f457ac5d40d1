// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <arm_neon.h>

#define PRONK_NEON
#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA neon_dotprod
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearNeonDotprod;
extern const KernelTable kNeonDotprod;
const KernelTable kNeonDotprod{"neon_dotprod", kLinearNeonDotprod, neon_dotprod::kVector,
                               neon_dotprod::kAttend};
}  // namespace pronk::kernels
