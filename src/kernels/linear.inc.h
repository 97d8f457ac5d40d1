// The linear kernels of one instruction set: included after its lanes_*.inc.h, inside no namespace.
#include "kernels/linear_float.inc.h"
#include "kernels/linear_formats.inc.h"
#include "kernels/linear_probe.inc.h"
#include "kernels/linear_quantize.inc.h"
// clang-format off
#include "kernels/linear_panel.inc.h"
#if defined(PRONK_PAIRS)
#include "kernels/linear_pairs.inc.h"
#endif
#include "kernels/linear_tile.inc.h"
// clang-format on
#if defined(__AVX512BF16__)
#include "kernels/linear_f8_blocks.inc.h"
#endif
#if defined(PRONK_AMX)
// clang-format off
#include "kernels/amx.inc.h"
#include "kernels/linear_amx.inc.h"
#include "kernels/linear_amx_blocks.inc.h"
#include "kernels/linear_amx_bf16.inc.h"
// clang-format on
#elif defined(__AVX512BF16__)
// clang-format off
#include "kernels/linear_bf16.inc.h"
#include "kernels/linear_f8.inc.h"
// clang-format on
#endif

namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr ActivationKind kI8 = ActivationKind::kInt8, kFloat = ActivationKind::kF32;
#if defined(PRONK_AMX)
constexpr ActivationKind kForBF16 = ActivationKind::kBF16;
constexpr auto kMultiplyBF16 = clean<multiply_panel_bf16_amx<BF16>>;
constexpr auto kMultiplyF8 = clean<multiply_panel_bf16_amx<F8Scaled>>;
#elif defined(__AVX512BF16__)
constexpr ActivationKind kForBF16 = ActivationKind::kBF16;
constexpr auto kMultiplyBF16 = clean<multiply_panel_bf16>;
constexpr auto kMultiplyF8 = clean<multiply_panel_f8>;
#else
constexpr ActivationKind kForBF16 = ActivationKind::kF32;
constexpr auto kMultiplyBF16 = clean<multiply_panel_f32<BF16>>;
constexpr auto kMultiplyF8 = clean<multiply_panel_f32<F8Scaled>>;
#endif

#if defined(PRONK_AMX)
template <class F>
constexpr auto kMultiply = clean<multiply_panel_amx<F>>;
template <class F>
constexpr auto kMultiplyPrompt = clean<multiply_bf16_amx<F>>;
constexpr int kPromptPanels = kRunPanels;
constexpr auto kProbeInt8 = clean<probe_tiles<true>>, kProbeBF16 = clean<probe_tiles<false>>;
#else
template <class F>
constexpr auto kMultiply = clean<multiply_panel<F>>;
template <class F>
constexpr decltype(nullptr) kMultiplyPrompt = nullptr;
constexpr int kPromptPanels = 0;
constexpr auto kProbeInt8 = clean<probe_int8>, kProbeBF16 = clean<probe_bf16>;
#endif

// In the order of DType.
constexpr LinearKernels kLinear{
    clean<quantize_tile>,
    clean<round_row>,
    {kFloat, kFloat, kForBF16, kFloat, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8,
     kI8, kForBF16},
    {kActivationMax, kActivationMax, kActivationMax, kActivationMax, kMax<Q4_0>, kMax<Q4_1>,
     kMax<Q5_0>, kMax<Q5_1>, kMax<Q8_0>, kMax<Q2_K>, kMax<Q3_K>, kMax<Q4_K>, kMax<Q5_K>, kMax<Q6_K>,
     kMax<IQ4_NL>, kMax<IQ4_XS>, kMax<MXFP4>, kActivationMax},
    {clean<multiply_panel_f32<F32>>, clean<multiply_panel_f32<F16>>, kMultiplyBF16, nullptr,
     kMultiply<Q4_0>, kMultiply<Q4_1>, kMultiply<Q5_0>, kMultiply<Q5_1>, kMultiply<Q8_0>,
     kMultiply<Q2_K>, kMultiply<Q3_K>, kMultiply<Q4_K>, kMultiply<Q5_K>, kMultiply<Q6_K>,
     kMultiply<IQ4_NL>, kMultiply<IQ4_XS>, kMultiply<MXFP4>, kMultiplyF8},
    {nullptr, nullptr, kMultiplyPrompt<BF16>, nullptr, kMultiplyPrompt<Q4_0>, kMultiplyPrompt<Q4_1>,
     kMultiplyPrompt<Q5_0>, kMultiplyPrompt<Q5_1>, kMultiplyPrompt<Q8_0>, kMultiplyPrompt<Q2_K>,
     kMultiplyPrompt<Q3_K>, kMultiplyPrompt<Q4_K>, kMultiplyPrompt<Q5_K>, kMultiplyPrompt<Q6_K>,
     kMultiplyPrompt<IQ4_NL>, kMultiplyPrompt<IQ4_XS>, kMultiplyPrompt<MXFP4>,
     kMultiplyPrompt<F8Scaled>},
    kPromptPanels,
    kProbeInt8,
    kProbeBF16,
    clean<probe_f32>,
    clean<probe_read>};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
