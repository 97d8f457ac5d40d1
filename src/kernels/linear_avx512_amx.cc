// The linear kernels of avx512_amx.cc's table, in a file of their own because they take long
// to compile.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA avx512_amx
#define PRONK_AMX  // gcc and clang name the macro of this feature differently
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_avx512.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx512Amx;
const LinearKernels kLinearAvx512Amx = avx512_amx::kLinear;
}  // namespace pronk::kernels
