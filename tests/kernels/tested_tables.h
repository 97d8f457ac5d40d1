// The tables that the tests of kernels go over.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/amx_emulator.h"
#include "kernels/isa.h"
#include "kernels/kernel_table.h"

namespace pronk::kernels {

extern const KernelTable kAvx512Amx;

// All that this CPU can run, the best first, the scalar one last. If all but tiles is there for the
// table with AMX, it is one of them: tiles are emulated.
inline const std::vector<const KernelTable*>& tested_tables() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> all(usable_tables().begin(), usable_tables().end());
#if defined(__x86_64__) && defined(__linux__)
    if (std::string_view(all.front()->name) == "avx512_vnni_bf16") {
      emulate_amx();
      all.insert(all.begin(), &kAvx512Amx);
    }
#endif
    return all;
  }();
  return tables;
}

}  // namespace pronk::kernels
