// The inner loops of one instruction set, as plain function pointers. Wide files (avx2.cc, ...) see
// this header and the *_kernels.h only, so these include C headers alone; choosing a table is in
// isa.h.
#pragma once
#include "kernels/attend_kernels.h"
#include "kernels/linear_kernels.h"
#include "kernels/vector_kernels.h"

namespace pronk::kernels {

struct KernelTable {
  const char* name;  // "avx512_vnni": what PRONK_ISA, logs and test labels say
  const LinearKernels& linear;
  VectorKernels vector;
  AttendKernels attend;
};

}  // namespace pronk::kernels
