// A table's functions leave no wide register's upper half in use. Code compiled without them that
// runs after one that does waits 75 ns each time (Sapphire Rapids): a sixth of SmolLM2's prompts.
// The compilers clear them at most returns, but not where local functions pass such registers on.
namespace pronk::kernels::PRONK_ISA {
namespace {

struct UpperHalves {
  ~UpperHalves() {
#if defined(__AVX__)
    _mm256_zeroupper();
#endif
  }
};

template <auto kFunction>
struct Clean;
template <class R, class... Args, R (*kFunction)(Args...)>
struct Clean<kFunction> {
  static R call(Args... args) {
    [[maybe_unused]] const UpperHalves cleared_at_the_end;
    return kFunction(args...);
  }
};
template <auto kFunction>
constexpr auto clean = &Clean<kFunction>::call;

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
