// The functions of vector_kernels.h over `Lanes`, sixteen floats. Compiled once per instruction
// set, inside its namespace; nothing here may depend on how wide a register is.
namespace pronk::kernels::PRONK_ISA {
namespace {
namespace lanes {

#if defined(__AVX512F__)
#include "kernels/vector_lanes_avx512.inc.h"
#elif defined(__AVX2__)
#include "kernels/vector_lanes_avx2.inc.h"
#elif defined(PRONK_NEON)
#include "kernels/vector_lanes_neon.inc.h"
#else
#include "kernels/vector_lanes_scalar.inc.h"
#endif

constexpr float kInfinity = __builtin_inff();

// ((lane 0 + lane 8) + (lane 4 + lane 12)) + ...: the one order in which lanes are ever added up.
PRONK_INLINE float sum_of(Lanes a) {
  a = add(a, exchange<8>(a));
  a = add(a, exchange<4>(a));
  a = add(a, exchange<2>(a));
  return first_of(add(a, exchange<1>(a)));
}

PRONK_INLINE float max_of(Lanes a) {
  a = max(a, exchange<8>(a));
  a = max(a, exchange<4>(a));
  a = max(a, exchange<2>(a));
  return first_of(max(a, exchange<1>(a)));
}

// Calls whole(i) for i = 0, 16, ... and tail(i, n) for the last n < 16.
template <class Whole, class Tail>
inline void over(int64_t n, Whole whole, Tail tail) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) whole(i);
  if (i < n) tail(i, (int)(n - i));
}

// out = f(x, y) for n values.
template <class F>
inline void map2(const float* x, const float* y, int64_t n, float* out, F f) {
  over(
      n, [=](int64_t i) { store(out + i, f(load(x + i), load(y + i))); },
      [=](int64_t i, int rest) {
        store_first(out + i, f(load_first(x + i, rest, 0), load_first(y + i, rest, 0)), rest);
      });
}

// x = n ln 2 + r with |r| <= ln 2 / 2: gives exp(r), by the polynomial of Cephes' expf (S.
// Moshier).
inline Lanes exp_of_rest(Lanes x, Lanes& n) {
  n = nearest(mul(x, all(1.44269504f)));
  const Lanes r = fma(n, all(2.12194440e-4f), fma(n, all(-0.693359375f), x));
  Lanes p = all(1.9875691500e-4f);
  p = fma(p, r, all(1.3981999507e-3f));
  p = fma(p, r, all(8.3334519073e-3f));
  p = fma(p, r, all(4.1665795894e-2f));
  p = fma(p, r, all(1.6666665459e-1f));
  p = fma(p, r, all(5.0000001201e-1f));
  return add(fma(p, mul(r, r), r), all(1.0f));
}

// 2^n in two factors, because n may be 128.
inline Lanes exp_of(Lanes x) {
  const Lanes low = all(-87.33654f), high = all(88.72283f);
  Lanes n;
  const Lanes e = exp_of_rest(min(high, max(low, x)), n);  // NaN stays
  const Lanes half = nearest(mul(n, all(0.5f)));
  const Lanes y = mul(mul(e, power_of_two(half)), power_of_two(sub(n, half)));
  return where_less(x, low, all(0), where_less(high, x, all(kInfinity), y));
}

// x / (1 + exp(-x)); nothing is left of it below -87.
inline Lanes silu(Lanes x) {
  const Lanes end = all(87.0f), minus = sub(all(0), x);
  Lanes n;
  const Lanes e = exp_of_rest(min(end, max(sub(all(0), end), minus)), n);
  const Lanes y = divided(x, add(all(1), times_power(e, n)));
  return where_less(end, minus, mul(x, all(0)), y);
}

void exp_n(const float* x, int64_t n, float* out) {
  map2(x, x, n, out, [](Lanes a, Lanes) { return exp_of(a); });
}

void add_n(const float* x, const float* y, int64_t n, float* out) {
  map2(x, y, n, out, [](Lanes a, Lanes b) { return add(a, b); });
}

void scale_n(const float* x, float factor, int64_t n, float* out) {
  map2(x, x, n, out, [f = all(factor)](Lanes a, Lanes) { return mul(a, f); });
}

void swiglu(const float* gate, const float* up, int64_t n, float* out) {
  map2(gate, up, n, out, [](Lanes g, Lanes u) { return mul(silu(g), u); });
}

// The squares go to four rows of lanes in turn: 64 sums, added up in one order.
void rms_norm(const float* x, const float* weight, int n, float eps, float* out) {
  Lanes squares[4] = {all(0), all(0), all(0), all(0)};
  int i = 0;
  for (; i + 64 <= n; i += 64)
    for (int j = 0; j < 4; ++j) {
      const Lanes a = load(x + i + 16 * j);
      squares[j] = fma(a, a, squares[j]);
    }
  for (int j = 0; i < n; i += 16, ++j) {
    const Lanes a = n - i >= 16 ? load(x + i) : load_first(x + i, n - i, 0);
    squares[j] = fma(a, a, squares[j]);
  }
  const float sum = sum_of(add(add(squares[0], squares[1]), add(squares[2], squares[3])));
  const Lanes factor = all(1.0f / __builtin_sqrtf(sum / (float)n + eps));
  map2(x, weight, n, out, [=](Lanes a, Lanes w) { return mul(mul(a, factor), w); });
}

inline void turn(Lanes& first, Lanes& second, Lanes cosine, Lanes sine) {
  const Lanes turned = sub(mul(first, cosine), mul(second, sine));
  second = add(mul(second, cosine), mul(first, sine));
  first = turned;
}

void rope(float* x, const float* cosines, const float* sines, int num_heads, int head_dim) {
  const int half = head_dim / 2;
  for (int h = 0; h < num_heads; ++h, x += head_dim)
    over(
        half,
        [=](int64_t i) {
          Lanes a = load(x + i), b = load(x + half + i);
          turn(a, b, load(cosines + i), load(sines + i));
          store(x + i, a);
          store(x + half + i, b);
        },
        [=](int64_t i, int rest) {
          Lanes a = load_first(x + i, rest, 0), b = load_first(x + half + i, rest, 0);
          turn(a, b, load_first(cosines + i, rest, 0), load_first(sines + i, rest, 0));
          store_first(x + i, a, rest);
          store_first(x + half + i, b, rest);
        });
}

void f32_to_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits;
    __builtin_memcpy(&bits, x + i, 4);
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    out[i] = (uint16_t)((nan ? bits | 0x400000u : bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
}

void bf16_to_f32(const uint16_t* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = (uint32_t)x[i] << 16;
    __builtin_memcpy(out + i, &bits, 4);
  }
}

// ---- over the vocabulary ----

// Calls f(begin, count) for the stretches of n values: floats are added up within one, doubles
// across them.
template <class F>
inline void over_stretches(int64_t n, F f) {
  for (int64_t begin = 0; begin < n; begin += kExpStretch)
    f(begin, n - begin < kExpStretch ? n - begin : kExpStretch);
}

bool has_nan(const float* x, int64_t n) {
  bool nan = false;
  for (int64_t i = 0; i < n; ++i) nan |= x[i] != x[i];
  return nan;
}

// The largest value, NaN if there is any; *where is the first stretch that holds it.
float largest_of(const float* x, int64_t n, int64_t* where) {
  float best = -kInfinity;
  bool nan = false;
  *where = 0;
  over_stretches(n, [&](int64_t begin, int64_t count) {
    // 0 · a is NaN where a is NaN or infinity, not where it is -infinity: a row has many banned.
    Lanes most = all(-kInfinity), zeros = all(0);
    const auto take = [&](Lanes a) {
      most = max(most, a);
      zeros = fma(max(all(-__FLT_MAX__), a), all(0), zeros);
    };
    over(
        count, [&](int64_t i) { take(load(x + begin + i)); },
        [&](int64_t i, int rest) { take(load_first(x + begin + i, rest, -kInfinity)); });
    if (any_nan(zeros)) nan |= has_nan(x + begin, count);
    const float top = max_of(most);
    if (top > best) {
      best = top;
      *where = begin;
    }
  });
  return nan ? __builtin_nanf("") : best;
}

float largest(const float* x, int64_t n) {
  int64_t where;
  return largest_of(x, n, &where);
}

int64_t argmax(const float* x, int64_t n) {
  int64_t i;
  const float best = largest_of(x, n, &i);
  if (best != best) return -1;
  while (x[i] != best) ++i;
  return i;
}

// Most lanes hold none of them.
int64_t at_least(const float* x, int64_t n, float bar, int32_t* out) {
  const Lanes least = all(bar);
  int64_t count = 0;
  const auto note = [&](int64_t i, int num) {
    for (int64_t end = i + num; i < end; ++i) {
      out[count] = (int32_t)i;
      count += x[i] >= bar;
    }
  };
  over(
      n,
      [&](int64_t i) {
        if (any_at_least(load(x + i), least)) note(i, 16);
      },
      note);
  return count;
}

// Σ exp(x - top); writes the terms and the sums of the stretches where there is a place for them.
double add_up_exp(const float* x, int64_t n, float top, float* out, double* sums) {
  double total = 0;
  over_stretches(n, [&](int64_t begin, int64_t count) {
    Lanes sum = all(0);
    over(
        count,
        [&](int64_t i) {
          const Lanes e = exp_of(sub(load(x + begin + i), all(top)));
          if (out) store(out + begin + i, e);
          sum = add(sum, e);
        },
        [&](int64_t i, int rest) {
          const Lanes e = exp_of(sub(load_first(x + begin + i, rest, -kInfinity), all(top)));
          if (out) store_first(out + begin + i, e, rest);
          sum = add(sum, e);
        });
    const double stretch = (double)sum_of(sum);
    if (sums) sums[begin / kExpStretch] = stretch;
    total += stretch;
  });
  return total;
}

double sum_of_exp(const float* x, int64_t n, float top, double* sums) {
  return add_up_exp(x, n, top, nullptr, sums);
}

double logsumexp(const float* x, int64_t n) {
  int64_t where;
  const float top = largest_of(x, n, &where);
  if (top != top || top == kInfinity || top == -kInfinity) return (double)top;
  return (double)top + __builtin_log(sum_of_exp(x, n, top, nullptr));
}

void softmax(float* x, int64_t n) {
  int64_t where;
  const float top = largest_of(x, n, &where);
  const double sum = add_up_exp(x, n, top, x, nullptr);
  scale_n(x, (float)(1 / sum), n, x);
}

bool all_finite(const float* x, int64_t n) {
  Lanes zeros = all(0);  // 0 · x is NaN where x is not finite
  over(
      n, [&](int64_t i) { zeros = fma(load(x + i), all(0), zeros); },
      [&](int64_t i, int rest) { zeros = fma(load_first(x + i, rest, 0), all(0), zeros); });
  return !any_nan(zeros);
}

}  // namespace lanes

constexpr VectorKernels kVector{
    clean<lanes::rms_norm>,    clean<lanes::rope>,     clean<lanes::swiglu>,
    clean<lanes::add_n>,       clean<lanes::scale_n>,  clean<lanes::f32_to_bf16>,
    clean<lanes::bf16_to_f32>, clean<lanes::exp_n>,    clean<lanes::largest>,
    clean<lanes::argmax>,      clean<lanes::at_least>, clean<lanes::sum_of_exp>,
    clean<lanes::logsumexp>,   clean<lanes::softmax>,  clean<lanes::all_finite>,
};

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
