// Words for the *.inc.h files: always inline, and unroll a short loop whole, so that arrays of
// registers stay registers; leave a loop as it is; never inline. The scalar file has no such
// registers, and would only grow.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__AVX2__) && !defined(PRONK_NEON)
#define PRONK_INLINE inline
#define PRONK_UNROLL
#elif defined(__clang__)
#define PRONK_INLINE inline __attribute__((always_inline))
#define PRONK_UNROLL _Pragma("unroll")
#else
#define PRONK_INLINE inline __attribute__((always_inline))
#define PRONK_UNROLL _Pragma("GCC unroll 16")
#endif
#if defined(__clang__)
#define PRONK_NO_UNROLL _Pragma("nounroll")
#else
#define PRONK_NO_UNROLL _Pragma("GCC unroll 1")
#endif
#define PRONK_APART __attribute__((noinline))
