// The plain twin of every kernel, for any CPU: the reference that the other tables are held to.
#include "kernels/kernel_table.h"

#define PRONK_ISA scalar
// clang-format off
#include "kernels/linear.inc.h"
#include "kernels/vector.inc.h"
// clang-format on

namespace pronk::kernels {
extern const KernelTable kScalar;
const KernelTable kScalar{"scalar", scalar::kLinear, scalar::kVector};
}  // namespace pronk::kernels
