// The linear kernels of avx2_vnni.cc's table, in a file of their own because they take long to
// compile.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA avx2_vnni
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_avx2.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx2Vnni;
const LinearKernels kLinearAvx2Vnni = avx2_vnni::kLinear;
}  // namespace pronk::kernels
