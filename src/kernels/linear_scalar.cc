// The linear kernels of scalar.cc's table, in a file of their own because they take long to
// compile.
#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA scalar
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_scalar.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearScalar;
const LinearKernels kLinearScalar = scalar::kLinear;
}  // namespace pronk::kernels
