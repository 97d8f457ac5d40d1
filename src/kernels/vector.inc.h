// Compiled once per instruction set, inside its namespace; what differs between sets asks
// __AVX512F__ and __AVX2__. No include guard, and everything static or in the unnamed namespace.
namespace pronk::kernels::PRONK_ISA {
namespace {

constexpr VectorKernels kVector{};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
