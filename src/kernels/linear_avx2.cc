// The linear kernels of avx2.cc's table, in a file of their own because they take long to compile.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA avx2
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_avx2.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx2;
const LinearKernels kLinearAvx2 = avx2::kLinear;
}  // namespace pronk::kernels
