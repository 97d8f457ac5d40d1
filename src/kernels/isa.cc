// Compiled for the baseline CPU: the question "may I use AVX-512?" must not itself use it.
#include "kernels/isa.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace pronk::kernels {

extern const KernelTable kScalar;

#if defined(__x86_64__)
extern const KernelTable kAvx2, kAvx2Vnni, kAvx512Vnni, kAvx512VnniBf16, kAvx512Amx;

namespace {

// __builtin_cpu_supports also asks whether the system saves the registers; clang 14 does not know
// these two names, which need no registers beyond AVX2's.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 29));
}
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}
// Tiles of int8 and bf16; Linux lends their registers to a process that asks for them, once for all
// its threads.
bool may_use_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTiles = 1u << 24, kInt8 = 1u << 25;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if ((d & (kBf16 | kTiles | kInt8)) != (kBf16 | kTiles | kInt8)) return false;
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// Multiplying pairs of columns (linear_pairs.inc.h) pays where bytes are added beside the products:
// on AMD's cores, but not on Intel's, whose units for 512 bits do both. The bits are the same.
const KernelTable& avx512_vnni_bf16() {
  if (__builtin_cpu_is("amd")) return kAvx512VnniBf16;
  static const LinearKernels without_pairs = [] {
    LinearKernels out = kAvx512VnniBf16.linear;
    for (int type = 0; type < kNumWeightTypes; ++type)
      if (out.activation_kind[type] == ActivationKind::kInt8)
        out.multiply_panel[type] = kAvx512Vnni.linear.multiply_panel[type];
    return out;
  }();
  static const KernelTable table{kAvx512VnniBf16.name, without_pairs, kAvx512VnniBf16.vector,
                                 kAvx512VnniBf16.attend};
  return table;
}

void add_x86_tables(std::vector<const KernelTable*>& tables) {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (bf16 && may_use_amx()) tables.push_back(&kAvx512Amx);
  if (bf16) tables.push_back(&avx512_vnni_bf16());
  if (avx512) tables.push_back(&kAvx512Vnni);
  if (avx2 && has_avx_vnni()) tables.push_back(&kAvx2Vnni);
  if (avx2) tables.push_back(&kAvx2);
}

}  // namespace

#elif defined(__aarch64__)
extern const KernelTable kNeonDotprod;

namespace {

bool has_dotprod() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}

}  // namespace
#endif

std::span<const KernelTable* const> usable_tables() {
  static const std::vector<const KernelTable*> usable = [] {
    std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
    add_x86_tables(tables);
#elif defined(__aarch64__)
    if (has_dotprod()) tables.push_back(&kNeonDotprod);
#endif
    tables.push_back(&kScalar);
    return tables;
  }();
  return usable;
}

namespace {

const KernelTable* find_usable(std::string_view name) {
  for (const KernelTable* t : usable_tables())
    if (name == t->name) return t;
  return nullptr;
}

}  // namespace

Status check_isa_choice() {
  const char* name = std::getenv("PRONK_ISA");
  if (!name || !*name || find_usable(name)) return Ok{};
  std::vector<std::string_view> names;
  for (const KernelTable* t : usable_tables()) names.emplace_back(t->name);
  return error(Code::kInvalidArgument,
               fmt::format("PRONK_ISA: '{}' is not a set of kernels that this CPU can run; use one "
                           "of {}, or unset it",
                           name, fmt::join(names, ", ")));
}

const KernelTable& table() {
  static const KernelTable& chosen = []() -> const KernelTable& {
    const char* name = std::getenv("PRONK_ISA");
    const KernelTable* named = name ? find_usable(name) : nullptr;
    return named ? *named : *usable_tables().front();
  }();
  return chosen;
}

}  // namespace pronk::kernels
