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
    {{clean<lanes::take_query<lanes::F32Terms>>, clean<lanes::store_f32>,
      clean<lanes::attend<lanes::FloatRows<lanes::F32Terms>>>, clean<lanes::give_value>},
     {clean<lanes::take_query<lanes::Bf16Terms>>, clean<lanes::store_bf16>, clean<kAttendBf16>,
      clean<lanes::give_value>},
     {clean<lanes::take_query<lanes::Bf16WideTerms>>, clean<lanes::store_bf16>,
      clean<lanes::attend<lanes::FloatRows<lanes::Bf16WideTerms>>>, clean<lanes::give_value>},
     {clean<lanes::take_query_int8>, clean<lanes::store_int8>, clean<kAttendInt8>,
      clean<lanes::give_value_int8>}},
    clean<lanes::fold>,
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
