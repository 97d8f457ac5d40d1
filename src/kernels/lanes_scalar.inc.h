// Sixteen lanes (see lanes_avx512.inc.h) as plain arrays: the reference.
namespace pronk::kernels::PRONK_ISA {
namespace {

struct Line {
  uint8_t bytes[64];
};
struct Ints {
  int32_t lanes[16];
};
struct Floats {
  float lanes[16];
};
struct Word {
  int8_t bytes[4];
};

constexpr int kGroupsPerTile = 1;
constexpr int kTokensTogether = 1;
constexpr int kFewTokens = 1;
constexpr int kTilesTogether = 4;
constexpr int kTokensPerFloatTile = 2;
constexpr int kPairedWords = 0;  // linear_pairs.inc.h

template <class Out, class F>
PRONK_INLINE Out each_lane(F f) {
  Out out;
  for (int r = 0; r < 16; ++r) out.lanes[r] = f(r);
  return out;
}
template <class F>
PRONK_INLINE Line each_byte(F f) {
  Line out;
  for (int i = 0; i < 64; ++i) out.bytes[i] = static_cast<uint8_t>(f(i));
  return out;
}
template <class T>
PRONK_INLINE T load_as(const void* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}

PRONK_INLINE Line load_line(const uint8_t* p) { return load_as<Line>(p); }
PRONK_INLINE Word load_word(const int8_t* p) { return load_as<Word>(p); }
PRONK_INLINE void forget(Word& x) { asm volatile("" : "+m"(x)); }

template <int kShift, int kMask>
PRONK_INLINE Line field(Line x) {
  return each_byte([&](int i) {
    return (kShift >= 0 ? x.bytes[i] >> (kShift >= 0 ? kShift : 0)
                        : x.bytes[i] << (kShift < 0 ? -kShift : 0)) &
           kMask;
  });
}
PRONK_INLINE Line merge(Line x, Line y) {
  return each_byte([&](int i) { return x.bytes[i] | y.bytes[i]; });
}
PRONK_INLINE Line look_up(const int8_t (&table)[16], int bias, Line index) {
  return each_byte([&](int i) { return table[index.bytes[i]] + bias; });
}

using Sum = Ints;
PRONK_INLINE Sum as_sum(Ints x) { return x; }
PRONK_INLINE Ints total(Sum x) { return x; }
template <int kBits, int kWord>
PRONK_INLINE void dot(Sum& sum, Line weights, Word activations) {
  sum = each_lane<Ints>([&](int r) {
    int total = sum.lanes[r];
    for (int i = 0; i < 4; ++i) total += weights.bytes[4 * r + i] * activations.bytes[i];
    return total;
  });
}
template <int kBits>
constexpr bool kDotTakesOffset = false;

PRONK_INLINE Ints broadcast_int(int32_t value) {
  return each_lane<Ints>([&](int) { return value; });
}
PRONK_INLINE Ints zero_ints() { return broadcast_int(0); }
template <int kShift>
PRONK_INLINE Ints broadcast_shifted(int32_t value) {
  return broadcast_int(value * (1 << kShift));
}
PRONK_INLINE Ints add(Ints x, Ints y) {
  return each_lane<Ints>([&](int r) { return x.lanes[r] + y.lanes[r]; });
}
template <int kShift>
PRONK_INLINE Ints shift_left(Ints x) {
  return each_lane<Ints>(
      [&](int r) { return static_cast<int32_t>(static_cast<uint32_t>(x.lanes[r]) << kShift); });
}
PRONK_INLINE Ints shift_right(Ints x, int shift) {
  return each_lane<Ints>(
      [&](int r) { return static_cast<int32_t>(static_cast<uint32_t>(x.lanes[r]) >> shift); });
}
PRONK_INLINE Ints mask_bits(Ints x, int mask) {
  return each_lane<Ints>([&](int r) { return x.lanes[r] & mask; });
}
PRONK_INLINE Ints either(Ints x, Ints y) {
  return each_lane<Ints>([&](int r) { return x.lanes[r] | y.lanes[r]; });
}
PRONK_INLINE Ints where_equal(Ints x, int value, Ints then, Ints otherwise) {
  return each_lane<Ints>(
      [&](int r) { return x.lanes[r] == value ? then.lanes[r] : otherwise.lanes[r]; });
}
PRONK_INLINE Ints unsigned_byte(Line x, int i) {
  return each_lane<Ints>([&](int r) { return x.bytes[4 * r + i]; });
}
PRONK_INLINE Ints signed_byte(Line x, int i) {
  return each_lane<Ints>([&](int r) { return static_cast<int8_t>(x.bytes[4 * r + i]); });
}

PRONK_INLINE Floats broadcast(float value) {
  return each_lane<Floats>([&](int) { return value; });
}
PRONK_INLINE Floats zero_floats() { return broadcast(0); }
PRONK_INLINE Floats to_floats(Ints x) {
  return each_lane<Floats>([&](int r) { return static_cast<float>(x.lanes[r]); });
}
PRONK_INLINE Ints as_ints(Floats x) { return load_as<Ints>(&x); }
PRONK_INLINE Ints as_ints(Line x) { return load_as<Ints>(&x); }
PRONK_INLINE Floats as_floats(Ints x) { return load_as<Floats>(&x); }
PRONK_INLINE Floats multiply(Floats x, Floats y) {
  return each_lane<Floats>([&](int r) { return x.lanes[r] * y.lanes[r]; });
}
PRONK_INLINE Floats add(Floats x, Floats y) {
  return each_lane<Floats>([&](int r) { return x.lanes[r] + y.lanes[r]; });
}
PRONK_INLINE Floats negate(Floats x) {
  return each_lane<Floats>([&](int r) { return -x.lanes[r]; });
}
PRONK_INLINE Floats fused(Floats x, Floats y, Floats z) {
  return each_lane<Floats>(
      [&](int r) { return __builtin_fmaf(x.lanes[r], y.lanes[r], z.lanes[r]); });
}

PRONK_INLINE Floats now(Floats x) { return x; }
PRONK_INLINE Floats load_floats(const uint8_t* p) { return load_as<Floats>(p); }
PRONK_INLINE Ints load_shorts(const uint8_t* p) {
  return each_lane<Ints>([&](int r) { return load_as<uint16_t>(p + 2 * r); });
}
PRONK_INLINE Ints load_bytes(const uint8_t* p) {
  return each_lane<Ints>([&](int r) { return p[r]; });
}
// binary16, by way of its bits: 2^112 times too small, then put right; infinities and NaN apart.
PRONK_INLINE float half_lane(uint16_t h) {
  const uint32_t bits = static_cast<uint32_t>(h & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const float magnitude = load_as<float>(&bits) * 0x1p112f;
  uint32_t out = load_as<uint32_t>(&magnitude);
  if ((h & 0x7c00) == 0x7c00) out = bits | 0x7f800000;
  out |= sign;
  return load_as<float>(&out);
}
PRONK_INLINE Floats load_halfs(const uint8_t* p) {
  return each_lane<Floats>([&](int r) { return half_lane(load_as<uint16_t>(p + 2 * r)); });
}

PRONK_INLINE void store(float* p, Floats x, int num_lanes) {
  memcpy(p, x.lanes, sizeof(float) * static_cast<size_t>(num_lanes < 16 ? num_lanes : 16));
}

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
