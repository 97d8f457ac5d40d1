// Compiled once per instruction set, inside its namespace.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr LinearKernels kLinear{};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
