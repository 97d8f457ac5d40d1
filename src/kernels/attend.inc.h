// The functions of attend_kernels.h. Compiled once per instruction set, inside its namespace, after
// vector.inc.h, whose `Lanes` they stand on.
// clang-format off
#include "kernels/attend_terms.inc.h"
#include "kernels/attend_store.inc.h"
#include "kernels/attend_rows.inc.h"
// clang-format on

namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr AttendKernels kAttend{
    {{lanes::take_query<lanes::F32Terms>, lanes::store_f32, lanes::attend<lanes::F32Terms>},
     {lanes::take_query<lanes::Bf16Terms>, lanes::store_bf16, lanes::attend<lanes::Bf16Terms>}},
    lanes::fold,
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
