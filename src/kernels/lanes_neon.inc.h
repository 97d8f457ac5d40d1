// Sixteen lanes (see lanes_avx512.inc.h) as four 128-bit registers of arm64, with the dot products
// of int8 (FEAT_DotProd).
namespace pronk::kernels::PRONK_ISA {
namespace {

struct Line {
  uint8x16_t v[4];  // rows 0-3, 4-7, 8-11, 12-15
};
struct Ints {
  int32x4_t v[4];
};
struct Floats {
  float32x4_t v[4];
};
using Word = int8x16_t;

constexpr int kGroupsPerTile = 1;
constexpr int kTokensTogether = 4;  // 16 of 32 registers are sums
constexpr int kFewTokens = 4;
constexpr int kTilesTogether = 4;
constexpr int kTokensPerFloatTile = 4;
constexpr int kPairedWords = 0;  // linear_pairs.inc.h

template <class Out, class F>
PRONK_INLINE Out each_register(F f) {
  return {f(0), f(1), f(2), f(3)};
}

PRONK_INLINE Line load_line(const uint8_t* p) {
  return each_register<Line>([=](int i) { return vld1q_u8(p + 16 * i); });
}
PRONK_INLINE Word load_word(const int8_t* p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}
PRONK_INLINE void forget(Word& x) { asm volatile("" : "+w"(x)); }

template <int kShift, int kMask>
PRONK_INLINE Line field(Line x) {
  constexpr int kLeft = kShift > 0 ? 0xff >> kShift : 0xff;  // by the shift alone
  return each_register<Line>([=](int i) {
    uint8x16_t bytes = x.v[i];
    if constexpr (kShift > 0) bytes = vshrq_n_u8(bytes, kShift);
    if constexpr (kShift < 0) bytes = vshlq_n_u8(bytes, -kShift);
    if constexpr (kShift < 0 || (kLeft & ~kMask) != 0) bytes = vandq_u8(bytes, vdupq_n_u8(kMask));
    return bytes;
  });
}
PRONK_INLINE Line merge(Line x, Line y) {
  return each_register<Line>([=](int i) { return vorrq_u8(x.v[i], y.v[i]); });
}
PRONK_INLINE Line look_up(const int8_t (&table)[16], int bias, Line index) {
  const uint8x16_t biased =
      vreinterpretq_u8_s8(vaddq_s8(vld1q_s8(table), vdupq_n_s8(static_cast<int8_t>(bias))));
  return each_register<Line>([=](int i) { return vqtbl1q_u8(biased, index.v[i]); });
}

// The dot product takes signed weights: those of 8 bits as w − 128.
using Sum = Ints;
PRONK_INLINE Sum as_sum(Ints x) { return x; }
PRONK_INLINE Ints total(Sum x) { return x; }
template <int kBits>
constexpr bool kDotTakesOffset = kBits == 8;
template <int kBits, int kWord>
PRONK_INLINE void dot(Sum& sum, Line weights, Word activations) {
  PRONK_UNROLL
  for (int i = 0; i < 4; ++i) {
    uint8x16_t w = weights.v[i];
    if constexpr (kBits == 8) w = veorq_u8(w, vdupq_n_u8(128));
    // In assembly, as with AVX-512: moved about, the products of intrinsics run out of registers.
    asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum.v[i]) : "w"(w), "w"(activations));
  }
}

PRONK_INLINE Ints broadcast_int(int32_t value) {
  return each_register<Ints>([=](int) { return vdupq_n_s32(value); });
}
PRONK_INLINE Ints zero_ints() { return broadcast_int(0); }
template <int kShift>
PRONK_INLINE Ints broadcast_shifted(int32_t value) {
  return broadcast_int(static_cast<int32_t>(static_cast<uint32_t>(value) << kShift));
}
PRONK_INLINE Ints add(Ints x, Ints y) {
  return each_register<Ints>([=](int i) { return vaddq_s32(x.v[i], y.v[i]); });
}
template <int kShift>
PRONK_INLINE Ints shift_left(Ints x) {
  return each_register<Ints>([=](int i) { return vshlq_n_s32(x.v[i], kShift); });
}
PRONK_INLINE Ints shift_right(Ints x, int shift) {
  return each_register<Ints>([=](int i) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x.v[i]), vdupq_n_s32(-shift)));
  });
}
PRONK_INLINE Ints mask_bits(Ints x, int mask) {
  return each_register<Ints>([=](int i) { return vandq_s32(x.v[i], vdupq_n_s32(mask)); });
}
PRONK_INLINE Ints either(Ints x, Ints y) {
  return each_register<Ints>([=](int i) { return vorrq_s32(x.v[i], y.v[i]); });
}
PRONK_INLINE Ints where_equal(Ints x, int value, Ints then, Ints otherwise) {
  return each_register<Ints>([=](int i) {
    return vbslq_s32(vceqq_s32(x.v[i], vdupq_n_s32(value)), then.v[i], otherwise.v[i]);
  });
}
PRONK_INLINE Ints as_ints(Floats x) {
  return each_register<Ints>([=](int i) { return vreinterpretq_s32_f32(x.v[i]); });
}
PRONK_INLINE Ints as_ints(Line x) {
  return each_register<Ints>([=](int i) { return vreinterpretq_s32_u8(x.v[i]); });
}
PRONK_INLINE Ints unsigned_byte(Line x, int i) {
  return mask_bits(shift_right(as_ints(x), 8 * i), 255);
}
PRONK_INLINE Ints signed_byte(Line x, int byte) {
  return each_register<Ints>([=](int i) {
    const int32x4_t on_top = vshlq_s32(vreinterpretq_s32_u8(x.v[i]), vdupq_n_s32(24 - 8 * byte));
    return vshrq_n_s32(on_top, 24);
  });
}

PRONK_INLINE Floats broadcast(float value) {
  return each_register<Floats>([=](int) { return vdupq_n_f32(value); });
}
PRONK_INLINE Floats zero_floats() { return broadcast(0); }
PRONK_INLINE Floats to_floats(Ints x) {
  return each_register<Floats>([=](int i) { return vcvtq_f32_s32(x.v[i]); });
}
PRONK_INLINE Floats as_floats(Ints x) {
  return each_register<Floats>([=](int i) { return vreinterpretq_f32_s32(x.v[i]); });
}
PRONK_INLINE Floats multiply(Floats x, Floats y) {
  return each_register<Floats>([=](int i) { return vmulq_f32(x.v[i], y.v[i]); });
}
PRONK_INLINE Floats add(Floats x, Floats y) {
  return each_register<Floats>([=](int i) { return vaddq_f32(x.v[i], y.v[i]); });
}
PRONK_INLINE Floats negate(Floats x) {
  return each_register<Floats>([=](int i) { return vnegq_f32(x.v[i]); });
}
PRONK_INLINE Floats fused(Floats x, Floats y, Floats z) {
  return each_register<Floats>([=](int i) { return vfmaq_f32(z.v[i], x.v[i], y.v[i]); });
}

PRONK_INLINE Floats now(Floats x) { return x; }
PRONK_INLINE Floats load_floats(const uint8_t* p) {
  const float* f = reinterpret_cast<const float*>(p);
  return each_register<Floats>([=](int i) { return vld1q_f32(f + 4 * i); });
}
PRONK_INLINE Floats load_halfs(const uint8_t* p) {
  const uint16_t* halfs = reinterpret_cast<const uint16_t*>(p);
  return each_register<Floats>(
      [=](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halfs + 4 * i))); });
}
PRONK_INLINE Ints load_shorts(const uint8_t* p) {
  const uint16_t* shorts = reinterpret_cast<const uint16_t*>(p);
  return each_register<Ints>(
      [=](int i) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(shorts + 4 * i))); });
}
PRONK_INLINE Ints load_bytes(const uint8_t* p) {
  const uint8x16_t x = vld1q_u8(p);
  const uint16x8_t halves[2] = {vmovl_u8(vget_low_u8(x)), vmovl_u8(vget_high_u8(x))};
  return each_register<Ints>([&](int i) {
    const uint16x8_t half = halves[i / 2];
    return vreinterpretq_s32_u32(vmovl_u16(i % 2 == 0 ? vget_low_u16(half) : vget_high_u16(half)));
  });
}

PRONK_INLINE void store(float* p, Floats x, int num_lanes) {
  float lanes[16];
  float* out = num_lanes >= 16 ? p : lanes;
  for (int i = 0; i < 4; ++i) vst1q_f32(out + 4 * i, x.v[i]);
  if (num_lanes < 16) memcpy(p, lanes, static_cast<size_t>(num_lanes) * sizeof(float));
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
