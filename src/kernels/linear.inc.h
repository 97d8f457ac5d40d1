// The linear kernels of one instruction set: included after its lanes_*.inc.h, inside no namespace.
#include "kernels/linear_float.inc.h"
#include "kernels/linear_formats.inc.h"
#include "kernels/linear_probe.inc.h"
#include "kernels/linear_quantize.inc.h"
#include "kernels/linear_tile.inc.h"
#if defined(__AVX512BF16__)
#include "kernels/linear_bf16.inc.h"
#endif

namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr ActivationKind kI8 = ActivationKind::kInt8, kFloat = ActivationKind::kF32;
#if defined(__AVX512BF16__)
constexpr ActivationKind kForBF16 = ActivationKind::kBF16;
constexpr auto kMultiplyBF16 = multiply_panel_bf16;
#else
constexpr ActivationKind kForBF16 = ActivationKind::kF32;
constexpr auto kMultiplyBF16 = multiply_panel_f32<BF16>;
#endif

// In the order of DType.
constexpr LinearKernels kLinear{
    quantize_row,
    round_row,
    {kFloat, kFloat, kForBF16, kFloat, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8, kI8,
     kI8},
    {multiply_panel_f32<F32>, multiply_panel_f32<F16>, kMultiplyBF16, multiply_panel_f32<F8E4M3>,
     multiply_panel<Q4_0>, multiply_panel<Q4_1>, multiply_panel<Q5_0>, multiply_panel<Q5_1>,
     multiply_panel<Q8_0>, multiply_panel<Q2_K>, multiply_panel<Q3_K>, multiply_panel<Q4_K>,
     multiply_panel<Q5_K>, multiply_panel<Q6_K>, multiply_panel<IQ4_NL>, multiply_panel<IQ4_XS>,
     multiply_panel<MXFP4>},
    probe_int8,
    probe_bf16,
    probe_f32,
    probe_read};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
