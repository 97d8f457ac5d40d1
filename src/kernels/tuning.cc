// Compiled for the baseline CPU.
#include "kernels/tuning.h"

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
constexpr Tuning kZen5{.one_token = {6144, 0},
                       .two_tokens = {8192, 0},
                       .four_tokens = {12288, 0},
                       .more = {8192, 0},
                       .attention_bytes = 8192,
                       .attention_into_l2 = false,
                       .pairs_from = 13,
                       .stream_bytes = 2048};
// Zen 4 can ask for few lines at once there, and fetches a panel better by itself as long as a
// token or two are all that there is to do.
constexpr Tuning kZen4{.one_token = {0, 0},
                       .two_tokens = {0, 0},
                       .four_tokens = {0, 8192},
                       .more = {0, 8192},
                       .attention_bytes = 32768,
                       .attention_into_l2 = true,
                       .pairs_from = 9,
                       .stream_bytes = 0};

}  // namespace

const Tuning kTuning = is_zen3_or_4() ? kZen4 : kZen5;

}  // namespace pronk::kernels
