// The linear kernels of neon_dotprod.cc's table, in a file of their own because they take long to
// compile.
#include <arm_neon.h>

#define PRONK_NEON
#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA neon_dotprod
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_neon.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearNeonDotprod;
const LinearKernels kLinearNeonDotprod = neon_dotprod::kLinear;
}  // namespace pronk::kernels
