// The functions of attend_kernels.h. Compiled once per instruction set, inside its namespace, after
// vector.inc.h, whose `Lanes` they stand on.
// clang-format off
#include "kernels/attend_terms.inc.h"
#include "kernels/attend_store.inc.h"
#include "kernels/attend_rows.inc.h"
#include "kernels/attend_rotate.inc.h"
#include "kernels/attend_int8.inc.h"
#if defined(PRONK_AMX)
#include "kernels/amx.inc.h"
#include "kernels/attend_amx.inc.h"
#include "kernels/attend_amx_int8.inc.h"
#endif
// clang-format on

namespace pronk::kernels::PRONK_ISA {
namespace {

#if defined(PRONK_AMX)
constexpr auto kAttendBf16 = lanes::attend_bf16_amx;
constexpr auto kAttendInt8 = lanes::attend_int8_amx;
#else
constexpr auto kAttendBf16 = lanes::attend<lanes::FloatRows<lanes::Bf16Terms>>;
constexpr auto kAttendInt8 = lanes::attend<lanes::Int8Rows>;
#endif

constexpr AttendKernels kAttend{
    {{lanes::take_query<lanes::F32Terms>, lanes::store_f32,
      lanes::attend<lanes::FloatRows<lanes::F32Terms>>, lanes::give_value},
     {lanes::take_query<lanes::Bf16Terms>, lanes::store_bf16, kAttendBf16, lanes::give_value},
     {lanes::take_query<lanes::Bf16WideTerms>, lanes::store_bf16,
      lanes::attend<lanes::FloatRows<lanes::Bf16WideTerms>>, lanes::give_value},
     {lanes::take_query_int8, lanes::store_int8, kAttendInt8, lanes::give_value_int8}},
    lanes::fold,
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
