// Compiled for the baseline CPU.
#include "kernels/prefetch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pronk::kernels {
namespace {

bool is_zen3_or_4() {
#if defined(__x86_64__)
  constexpr unsigned kFamily = 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __get_cpuid(1, &a, &b, &c, &d) &&
         (a >> 8 & 0xf) + (a >> 20 & 0xff) == kFamily;
#else
  return false;
#endif
}

// Zen 5 wants lines early and in the L1 cache, as do CPUs of which nothing is known.
constexpr Prefetch kIntoL1{{6144, 0}, {6144, 0}, {8192, 0}, 8192, false, 2048};
// Zen 4 can ask for few lines at once there, and fetches a panel better by itself as long as a
// token or two are all that there is to do.
constexpr Prefetch kIntoL2{{0, 0}, {0, 8192}, {0, 8192}, 32768, true, 0};

}  // namespace

const Prefetch kPrefetch = is_zen3_or_4() ? kIntoL2 : kIntoL1;

}  // namespace pronk::kernels
