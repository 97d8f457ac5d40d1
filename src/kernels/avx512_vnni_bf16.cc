// An island: see kernel_table.h and tools/check_weak_symbols.sh.
#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/kernel_table.h"

#define PRONK_ISA avx512_vnni_bf16
// clang-format off
#include "kernels/clean.inc.h"
#include "kernels/vector.inc.h"
#include "kernels/attend.inc.h"
// clang-format on

namespace pronk::kernels {
extern const LinearKernels kLinearAvx512VnniBf16;
extern const KernelTable kAvx512VnniBf16;
const KernelTable kAvx512VnniBf16{"avx512_vnni_bf16", kLinearAvx512VnniBf16,
                                  avx512_vnni_bf16::kVector, avx512_vnni_bf16::kAttend};
}  // namespace pronk::kernels
