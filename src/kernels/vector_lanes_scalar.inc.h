// Sixteen floats as an array: what the wide lanes are tested against. Included once per table,
// inside its namespace.

struct Lanes {
  float v[16];
};

constexpr int kAccumulators = 4;  // lanes that a product of matrices adds up at a time

static inline Lanes load(const float* p) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = p[i];
  return r;
}
static inline void store(float* p, Lanes a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
static inline float first_of(Lanes a) { return a.v[0]; }
#include "kernels/vector_lanes_first.inc.h"
static inline float float_of_bits(uint32_t bits) {
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}
// Of 16 pairs of bfloat16, the first or the second of each.
static inline Lanes low_halves(const uint32_t* p) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = float_of_bits(p[i] << 16);
  return r;
}
static inline Lanes high_halves(const uint32_t* p) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = float_of_bits(p[i] & 0xffff0000u);
  return r;
}
static inline Lanes all(float x) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = x;
  return r;
}
static inline Lanes add(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
static inline Lanes sub(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] -= b.v[i];
  return a;
}
static inline Lanes mul(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] *= b.v[i];
  return a;
}
static inline Lanes divided(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] /= b.v[i];
  return a;
}
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {  // a b + c, rounded once
  for (int i = 0; i < 16; ++i) a.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return a;
}
// As x86 has it: b where either is NaN.
static inline Lanes max(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
static inline Lanes min(Lanes a, Lanes b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
static inline Lanes nearest(Lanes a) {  // integer, ties to even
  for (int i = 0; i < 16; ++i) a.v[i] = __builtin_nearbyintf(a.v[i]);
  return a;
}
static inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {  // a < b ? yes : no
  for (int i = 0; i < 16; ++i) yes.v[i] = a.v[i] < b.v[i] ? yes.v[i] : no.v[i];
  return yes;
}
// 2^n for whole n in [-126, 127]; NaN gives anything.
static inline Lanes power_of_two(Lanes n) {
  for (int i = 0; i < 16; ++i) {
    uint32_t bits = (n.v[i] == n.v[i]) ? (uint32_t)((int)n.v[i] + 127) << 23 : 0;
    __builtin_memcpy(&n.v[i], &bits, 4);
  }
  return n;
}
static inline bool any_at_least(Lanes a, Lanes bar) {
  bool any = false;
  for (int i = 0; i < 16; ++i) any |= a.v[i] >= bar.v[i];
  return any;
}
// a 2^n for whole n in [-126, 127].
static inline Lanes times_power(Lanes a, Lanes n) { return mul(a, power_of_two(n)); }

// Lane i and lane i ^ kDistance change places, for 1, 2, 4 and 8.
template <int kDistance>
static inline Lanes exchange(Lanes a) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i ^ kDistance];
  return r;
}

// Sixteen int32, and sixteen groups of four bytes.
struct Ints {
  int32_t v[16];
};
struct Bytes {
  uint8_t v[64];
};
static inline Ints all_ints(int32_t x) {
  Ints r;
  for (int i = 0; i < 16; ++i) r.v[i] = x;
  return r;
}
static inline Lanes to_floats(Ints a) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.v[i] = (float)a.v[i];
  return r;
}
static inline Bytes load_bytes(const uint8_t* p) {
  Bytes r;
  memcpy(r.v, p, 64);
  return r;
}
static inline Bytes all_bytes(const uint8_t* group) {
  Bytes r;
  for (int i = 0; i < 16; ++i) memcpy(r.v + 4 * i, group, 4);
  return r;
}
// sum + the four products in each lane of unsigned x and signed y.
static inline Ints dot_bytes(Ints sum, Bytes x, Bytes y) {
  for (int i = 0; i < 64; ++i) sum.v[i / 4] += x.v[i] * (int8_t)y.v[i];
  return sum;
}

// 64 numbers in [0, 65535], rounded to whole ones (ties to even; NaN to 0): their low bytes and
// their high ones.
static inline void store_bytes(const Lanes (&a)[4], uint8_t* low, uint8_t* high) {
  for (int j = 0; j < 4; ++j) {
    float x[16];
    store(x, nearest(a[j]));
    for (int i = 0; i < 16; ++i) {
      const int n = x[i] == x[i] ? (int)x[i] : 0;
      low[16 * j + i] = (uint8_t)n;
      high[16 * j + i] = (uint8_t)(n >> 8);
    }
  }
}

static inline bool any_nan(Lanes a) {
  for (int i = 0; i < 16; ++i)
    if (a.v[i] != a.v[i]) return true;
  return false;
}
