// What one product takes together, for each cache type: `Stored` is how it lies in a page, `Factor`
// in a query or a row of weights, `Term` sixteen of either in registers. Over `Lanes`, inside their
// namespace.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

struct F32Terms {
  using Stored = float;
  using Factor = float;
  using Term = Lanes;
  static constexpr int kTogether = 1;
  static constexpr bool kToBf16 = false;  // weights are rounded

  static PRONK_INLINE Term load(const Stored* p) { return lanes::load(p); }
  static PRONK_INLINE Term all(Factor x) { return lanes::all(x); }
  static PRONK_INLINE Lanes dot(Lanes sum, Term a, Term b) { return fma(a, b, sum); }
  static PRONK_INLINE void store_rounded(Factor* out, Lanes numbers) { store(out, numbers); }
};

// Two bfloat16, the first in the low half, times two floats.
struct Bf16WideTerms {
  using Stored = uint32_t;
  struct Factor {
    float low, high;
  };
  struct Term {
    Lanes low, high;
  };
  static constexpr int kTogether = 2;
  static constexpr bool kToBf16 = false;

  static PRONK_INLINE Term load(const Stored* p) { return {low_halves(p), high_halves(p)}; }
  static PRONK_INLINE Term all(Factor x) { return {lanes::all(x.low), lanes::all(x.high)}; }
  static PRONK_INLINE Lanes dot(Lanes sum, Term a, Term b) {
    return fma(a.high, b.high, fma(a.low, b.low, sum));
  }
  static PRONK_INLINE void store_rounded(Factor* out, Lanes numbers) {
    store((float*)out, numbers);
  }
};

// Two bfloat16 times two more. The product of pairs is the CPU's own where it has one
// (which flushes denormals), else two fused multiply-adds in fp32.
struct Bf16Terms {
  using Stored = uint32_t;
  using Factor = uint32_t;
  static constexpr int kTogether = 2;
  static constexpr bool kToBf16 = true;

#if defined(__AVX512BF16__)
  using Term = __m512bh;
  static PRONK_INLINE Term load(const Stored* p) { return (__m512bh)_mm512_loadu_si512(p); }
  static PRONK_INLINE Term all(Factor pair) { return (__m512bh)_mm512_set1_epi32((int)pair); }
  static PRONK_INLINE Lanes dot(Lanes sum, Term a, Term b) { return _mm512_dpbf16_ps(sum, a, b); }
  static PRONK_INLINE void store_rounded(Factor* out, Lanes numbers) {
    _mm256_storeu_si256((__m256i*)out, (__m256i)_mm512_cvtneps_pbh(numbers));
  }
#else
  using Term = Bf16WideTerms::Term;
  static PRONK_INLINE Term load(const Stored* p) { return Bf16WideTerms::load(p); }
  static PRONK_INLINE Term all(Factor pair) {
    const uint32_t low = pair << 16, high = pair & 0xffff0000u;
    Bf16WideTerms::Factor parts;
    memcpy(&parts.low, &low, 4);
    memcpy(&parts.high, &high, 4);
    return Bf16WideTerms::all(parts);
  }
  static PRONK_INLINE Lanes dot(Lanes sum, Term a, Term b) { return Bf16WideTerms::dot(sum, a, b); }
  static PRONK_INLINE void store_rounded(Factor* out, Lanes numbers) {
    float values[16];
    store(values, numbers);
    uint16_t rounded[16];
    f32_to_bf16(values, 16, rounded);
    memcpy(out, rounded, sizeof rounded);
  }
#endif
};

// out = factor · x in the numbers of Terms.
template <class Terms>
void round_row(const float* x, float factor, int n, typename Terms::Factor* out) {
  const Lanes f = all(factor);
  over(
      n, [=](int64_t i) { Terms::store_rounded(out + i / Terms::kTogether, mul(load(x + i), f)); },
      [=](int64_t i, int rest) {
        typename Terms::Factor last[16];
        Terms::store_rounded(last, mul(load_first(x + i, rest, 0), f));
        memcpy(out + i / Terms::kTogether, last, (size_t)(rest / Terms::kTogether) * sizeof *last);
      });
}

template <class Terms>
void take_query(const float* q, float factor, int head_dim, void* out) {
  round_row<Terms>(q, factor, head_dim, (typename Terms::Factor*)out);
}

}  // namespace lanes
}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
