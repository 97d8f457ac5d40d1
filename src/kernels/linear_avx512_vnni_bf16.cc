// The linear kernels of avx512_vnni_bf16.cc's table, in a file of their own because they take long
// to compile.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/linear_kernels.h"

#define PRONK_ISA avx512_vnni_bf16
#define PRONK_PAIRS
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/lanes_avx512.inc.h"
#include "kernels/linear.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx512VnniBf16;
const LinearKernels kLinearAvx512VnniBf16 = avx512_vnni_bf16::kLinear;
}  // namespace pronk::kernels
