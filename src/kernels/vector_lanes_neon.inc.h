// Sixteen floats as four registers of arm64. Included once per table, inside its namespace.

struct Lanes {
  float32x4_t v[4];
};

constexpr int kAccumulators = 4;  // lanes that a product of matrices adds up at a time

template <class Out, class F>
static inline Out each_register(F f) {
  return {f(0), f(1), f(2), f(3)};
}

static inline Lanes load(const float* p) {
  return each_register<Lanes>([=](int i) { return vld1q_f32(p + 4 * i); });
}
static inline void store(float* p, Lanes a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
static inline float first_of(Lanes a) { return vgetq_lane_f32(a.v[0], 0); }
#include "kernels/vector_lanes_first.inc.h"
// Of 16 pairs of bfloat16, the first or the second of each.
static inline Lanes low_halves(const uint32_t* p) {
  return each_register<Lanes>(
      [=](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(vld1q_u32(p + 4 * i), 16)); });
}
static inline Lanes high_halves(const uint32_t* p) {
  return each_register<Lanes>([=](int i) {
    return vreinterpretq_f32_u32(vandq_u32(vld1q_u32(p + 4 * i), vdupq_n_u32(0xffff0000u)));
  });
}
static inline Lanes all(float x) {
  return each_register<Lanes>([=](int) { return vdupq_n_f32(x); });
}
static inline Lanes add(Lanes a, Lanes b) {
  return each_register<Lanes>([=](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
static inline Lanes sub(Lanes a, Lanes b) {
  return each_register<Lanes>([=](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
static inline Lanes mul(Lanes a, Lanes b) {
  return each_register<Lanes>([=](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
static inline Lanes divided(Lanes a, Lanes b) {
  return each_register<Lanes>([=](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
static inline Lanes fma(Lanes a, Lanes b, Lanes c) {  // a b + c, rounded once
  return each_register<Lanes>([=](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
// As x86 has it: b where either is NaN.
static inline Lanes max(Lanes a, Lanes b) {
  return each_register<Lanes>(
      [=](int i) { return vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
static inline Lanes min(Lanes a, Lanes b) {
  return each_register<Lanes>(
      [=](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
static inline Lanes nearest(Lanes a) {  // integer, ties to even
  return each_register<Lanes>([=](int i) { return vrndnq_f32(a.v[i]); });
}
static inline Lanes where_less(Lanes a, Lanes b, Lanes yes, Lanes no) {  // a < b ? yes : no
  return each_register<Lanes>(
      [=](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), yes.v[i], no.v[i]); });
}
// 2^n for whole n in [-126, 127]; NaN gives anything.
static inline Lanes power_of_two(Lanes n) {
  return each_register<Lanes>([=](int i) {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
  });
}
static inline bool any_at_least(Lanes a, Lanes bar) {
  uint32x4_t any = vcgeq_f32(a.v[0], bar.v[0]);
  for (int i = 1; i < 4; ++i) any = vorrq_u32(any, vcgeq_f32(a.v[i], bar.v[i]));
  return vmaxvq_u32(any) != 0;
}
// a 2^n for whole n in [-126, 127].
static inline Lanes times_power(Lanes a, Lanes n) { return mul(a, power_of_two(n)); }

// Lane i and lane i ^ kDistance change places, for 1, 2, 4 and 8.
template <int kDistance>
static inline Lanes exchange(Lanes a) {
  if constexpr (kDistance == 1)
    return each_register<Lanes>([=](int i) { return vrev64q_f32(a.v[i]); });
  if constexpr (kDistance == 2)
    return each_register<Lanes>([=](int i) { return vextq_f32(a.v[i], a.v[i], 2); });
  return each_register<Lanes>([=](int i) { return a.v[i ^ (kDistance / 4)]; });
}

// Sixteen int32, and sixteen groups of four bytes.
struct Ints {
  int32x4_t v[4];
};
struct Bytes {
  uint8x16_t v[4];
};
static inline Ints all_ints(int32_t x) {
  return each_register<Ints>([=](int) { return vdupq_n_s32(x); });
}
static inline Lanes to_floats(Ints a) {
  return each_register<Lanes>([=](int i) { return vcvtq_f32_s32(a.v[i]); });
}
static inline Bytes load_bytes(const uint8_t* p) {
  return each_register<Bytes>([=](int i) { return vld1q_u8(p + 16 * i); });
}
static inline Bytes all_bytes(const uint8_t* group) {
  uint32_t word;
  memcpy(&word, group, 4);
  return each_register<Bytes>([=](int) { return vreinterpretq_u8_u32(vdupq_n_u32(word)); });
}
// sum + the four products in each lane of unsigned x and signed y: of x − 128, and −128 of y less.
static inline Ints dot_bytes(Ints sum, Bytes x, Bytes y) {
  return each_register<Ints>([=](int i) {
    const int8x16_t shifted = vreinterpretq_s8_u8(veorq_u8(x.v[i], vdupq_n_u8(128)));
    const int8x16_t signed_y = vreinterpretq_s8_u8(y.v[i]);
    const int32x4_t offset = vdotq_s32(vdupq_n_s32(0), signed_y, vdupq_n_s8(-128));
    return vsubq_s32(vdotq_s32(sum.v[i], shifted, signed_y), offset);
  });
}

// 64 numbers in [0, 65535], rounded to whole ones (ties to even; NaN to 0): their low bytes and
// their high ones.
static inline void store_bytes(const Lanes (&a)[4], uint8_t* low, uint8_t* high) {
  for (int j = 0; j < 4; ++j) {
    uint16x8_t words[2];
    for (int i = 0; i < 2; ++i)
      words[i] = vcombine_u16(vmovn_u32(vcvtnq_u32_f32(a[j].v[2 * i])),
                              vmovn_u32(vcvtnq_u32_f32(a[j].v[2 * i + 1])));
    vst1q_u8(low + 16 * j, vcombine_u8(vmovn_u16(words[0]), vmovn_u16(words[1])));
    vst1q_u8(high + 16 * j, vcombine_u8(vshrn_n_u16(words[0], 8), vshrn_n_u16(words[1], 8)));
  }
}

static inline bool any_nan(Lanes a) {
  uint32x4_t numbers = vceqq_f32(a.v[0], a.v[0]);
  for (int i = 1; i < 4; ++i) numbers = vandq_u32(numbers, vceqq_f32(a.v[i], a.v[i]));
  return vminvq_u32(numbers) == 0;
}
