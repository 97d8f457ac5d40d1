// Which kernel tables this CPU can run, and which one is in use.
#pragma once
#include <span>

#include "kernels/kernel_table.h"
#include "pronk/result.h"

namespace pronk::kernels {

// On this CPU, best first; the last is always "scalar".
std::span<const KernelTable* const> usable_tables();

// Whether PRONK_ISA, if set, names a usable table: the program says so at start, in its own words.
Status check_isa_choice();

// The one in use: the usable table that PRONK_ISA names, else the best. Chosen at the first call.
const KernelTable& table();

}  // namespace pronk::kernels
