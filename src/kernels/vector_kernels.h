// Kernels on rows of floats: norms, rotations, activations, attention. C headers only (see
// kernel_table.h).
#pragma once

namespace pronk::kernels {

// Function pointers, filled by kVector in vector.inc.h for each instruction set.
struct VectorKernels {};

}  // namespace pronk::kernels
