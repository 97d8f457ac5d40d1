// The plain twin of every kernel, for any CPU: the reference that the other tables are held to.
#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA scalar
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearScalar;
extern const KernelTable kScalar;
const KernelTable kScalar{"scalar", kLinearScalar, scalar::kVector, scalar::kAttend};
}  // namespace pronk::kernels
