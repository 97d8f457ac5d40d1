// How each packed block type gives weights, scales and mins to the tile of linear_tile.inc.h.
//
// A panel's block is, in this order (docs/kernels.md):
//   kHeads lines of 32 numbers of 2 bytes: d (and m, dmin or scales_high) of all 32 rows
//   for each 16-row group, kScaleWords lines: 4 bytes of packed scales of each row
//   for each 32 columns, for each group, kWords lines: 4 bytes of weights of each row
// where a line is [16 rows][4 bytes]. Weight lines are of three kinds:
//   nibbles, line q of 4:  byte i = column 4q + i (low) and 16 + 4q + i (high)
//   crumbs, line c of 2:   bits 2j of byte i = column 16c + 4j + i
//   bits, 1 line:          bit j of byte i = column 4j + i
namespace pronk::kernels::PRONK_ISA {
namespace {

// Weights of 4 columns, 4j..4j+3 of the block's 32.
template <int j>
PRONK_INLINE Line nibbles(const uint8_t* lines) {
  return field<j / 4 * 4, 15>(load_line(lines + j % 4 * 64));
}
template <int j, int kTo>  // the 2 bits, moved to bit kTo
PRONK_INLINE Line crumbs(const uint8_t* lines) {
  return field<j % 4 * 2 - kTo, 3 << kTo>(load_line(lines + j / 4 * 64));
}
template <int j, int kTo>
PRONK_INLINE Line bit_of(const uint8_t* line) {
  return field<j - kTo, 1 << kTo>(load_line(line));
}

// What the formats below share: where the parts of a block stand.
template <int kHeadLines, int kScaleLines, int kBlocks, int kLines>
struct Layout {
  static constexpr int kHeads = kHeadLines, kScaleWords = kScaleLines, kWords = kLines;
  static constexpr int kSubBlocks = kBlocks;  // of 32 columns
  static constexpr int kSubBytes = 2 * kWords * 64;
  static constexpr int kBytes = 64 * kHeads + 2 * kScaleWords * 64 + kSubBlocks * kSubBytes;
  static constexpr bool kNibbles = false;

  static PRONK_INLINE Floats head(const uint8_t* block, int i, int group) {
    return load_halfs(block + 64 * i + 32 * group);
  }
  static PRONK_INLINE Line scale_line(const uint8_t* block, int i, int group) {
    return load_line(block + 64 * kHeads + (group * kScaleWords + i) * 64);
  }
  static PRONK_INLINE const uint8_t* lines(const uint8_t* block, int sub, int group) {
    return block + 64 * kHeads + 2 * kScaleWords * 64 + sub * kSubBytes + group * kWords * 64;
  }
};

// A format has
//   kBits                bits of the unsigned weights that weights<j> gives
//   kOffsetShift         weights stand for themselves − 2^kOffsetShift; -1: for themselves
//   kNibbles             whether the weights are what nibble lines say, nothing more
//   kScales              scales in 32 columns, 1 or 2
//   kHasMin              whether w = scale · q + min rather than scale · q
//   Head                 what is read once a block: a group's scales
//   scale(head, sub, h)  the scale of half h (all, if kScales is 1) of sub-block sub
//   min(head, sub, h)

struct OneScale {
  Floats d;
};
struct ScaleAndMin {
  Floats d, m;
};

template <int kLines>
struct Simple : Layout<1, 0, 1, kLines> {
  static constexpr int kScales = 1;
  static constexpr bool kHasMin = false;
  using Head = OneScale;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    return {Simple::head(block, 0, group)};
  }
  static PRONK_INLINE Floats scale(const Head& h, int, int) { return h.d; }
};

template <int kLines>
struct SimpleWithMin : Layout<2, 0, 1, kLines> {
  static constexpr int kScales = 1, kOffsetShift = -1;
  static constexpr bool kHasMin = true;
  using Head = ScaleAndMin;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    return {SimpleWithMin::head(block, 0, group), SimpleWithMin::head(block, 1, group)};
  }
  static PRONK_INLINE Floats scale(const Head& h, int, int) { return h.d; }
  static PRONK_INLINE Floats min(const Head& h, int, int) { return h.m; }
};

struct Q4_0 : Simple<4> {
  static constexpr int kBits = 4, kOffsetShift = 3;
  static constexpr bool kNibbles = true;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return nibbles<j>(lines);
  }
};

struct Q4_1 : SimpleWithMin<4> {
  static constexpr int kBits = 4;
  static constexpr bool kNibbles = true;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return nibbles<j>(lines);
  }
};

struct Q5_0 : Simple<5> {
  static constexpr int kBits = 5, kOffsetShift = 4;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return merge(nibbles<j>(lines), bit_of<j, 4>(lines + 256));
  }
};

struct Q5_1 : SimpleWithMin<5> {
  static constexpr int kBits = 5;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return merge(nibbles<j>(lines), bit_of<j, 4>(lines + 256));
  }
};

struct Q8_0 : Simple<8> {  // packed with the top bit turned, so unsigned
  static constexpr int kBits = 8, kOffsetShift = 7;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return load_line(lines + j * 64);
  }
};

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
constexpr int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct IQ4_NL : Simple<4> {
  static constexpr int kBits = 8, kOffsetShift = 7;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return look_up(kIq4Values, 128, nibbles<j>(lines));
  }
};

struct MXFP4 {  // its head is 32 bytes: e of each row
  static constexpr int kBits = 5, kOffsetShift = 4, kScales = 1, kSubBlocks = 1, kBytes = 544;
  static constexpr bool kHasMin = false, kNibbles = false;
  using Head = OneScale;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    // 2^(e − 128): e 0 and 1 are subnormal, above them e − 1 is the exponent field.
    const Ints e = load_bytes(block + 16 * group);
    const Ints usual = shift_left<23>(add(e, broadcast_int(-1)));
    const Ints above_zero = where_equal(e, 1, broadcast_int(0x00400000), usual);
    return {as_floats(where_equal(e, 0, broadcast_int(0x00200000), above_zero))};
  }
  static PRONK_INLINE Floats scale(const Head& h, int, int) { return h.d; }
  static PRONK_INLINE const uint8_t* lines(const uint8_t* block, int, int group) {
    return block + 32 + group * 256;
  }
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return look_up(kE2m1Doubled, 16, nibbles<j>(lines));
  }
};

// Blocks of 256. Scales stay as packed bytes until their sub-block comes: line s holds, in byte i,
// the scale of sub-block 4s + i. d · scale is exact in a float (11 bits by at most 8).

struct ScaleLines8 {  // 8 scales and 8 mins
  Floats d, dmin;
  Line scales[2], mins[2];
};

template <int kLines>
struct SixBitScalesAndMins : Layout<2, 3, 8, kLines> {
  static constexpr int kScales = 1, kOffsetShift = -1;
  static constexpr bool kHasMin = true;
  using Head = ScaleLines8;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    const Line s = SixBitScalesAndMins::scale_line(block, 0, group);
    const Line m = SixBitScalesAndMins::scale_line(block, 1, group);
    const Line more = SixBitScalesAndMins::scale_line(block, 2, group);
    return {SixBitScalesAndMins::head(block, 0, group),
            negate(SixBitScalesAndMins::head(block, 1, group)),
            {field<0, 63>(s), merge(field<0, 15>(more), field<2, 48>(s))},
            {field<0, 63>(m), merge(field<4, 15>(more), field<2, 48>(m))}};
  }
  static PRONK_INLINE Floats scale(const Head& h, int sub, int) {
    return multiply(h.d, to_floats(unsigned_byte(h.scales[sub / 4], sub % 4)));
  }
  static PRONK_INLINE Floats min(const Head& h, int sub, int) {
    return multiply(h.dmin, to_floats(unsigned_byte(h.mins[sub / 4], sub % 4)));
  }
};

struct Q4_K : SixBitScalesAndMins<4> {
  static constexpr int kBits = 4;
  static constexpr bool kNibbles = true;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return nibbles<j>(lines);
  }
};

struct Q5_K : SixBitScalesAndMins<5> {
  static constexpr int kBits = 5;
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return merge(nibbles<j>(lines), bit_of<j, 4>(lines + 256));
  }
};

struct ScaleLines16 {  // 16 scales, 2 in each sub-block
  Floats d;
  Line scales[4];
};

struct Q6_K : Layout<1, 4, 8, 6> {
  static constexpr int kBits = 6, kOffsetShift = 5, kScales = 2;
  static constexpr bool kHasMin = false;
  using Head = ScaleLines16;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    return {head(block, 0, group),
            {scale_line(block, 0, group), scale_line(block, 1, group), scale_line(block, 2, group),
             scale_line(block, 3, group)}};
  }
  static PRONK_INLINE Floats scale(const Head& h, int sub, int half) {
    return multiply(h.d, to_floats(signed_byte(h.scales[sub / 2], sub % 2 * 2 + half)));
  }
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return merge(nibbles<j>(lines), crumbs<j, 4>(lines + 256));
  }
};

struct Q3_K : Layout<1, 3, 8, 3> {
  static constexpr int kBits = 3, kOffsetShift = 2, kScales = 2;
  static constexpr bool kHasMin = false;
  using Head = ScaleLines16;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    const Line a = scale_line(block, 0, group), b = scale_line(block, 1, group);
    const Line high = scale_line(block, 2, group);
    return {
        head(block, 0, group),
        {merge(field<0, 15>(a), field<-4, 48>(high)), merge(field<0, 15>(b), field<-2, 48>(high)),
         merge(field<4, 15>(a), field<0, 48>(high)), merge(field<4, 15>(b), field<2, 48>(high))}};
  }
  static PRONK_INLINE Floats scale(const Head& h, int sub, int half) {
    const Ints stored = unsigned_byte(h.scales[sub / 2], sub % 2 * 2 + half);
    return multiply(h.d, to_floats(add(stored, broadcast_int(-32))));
  }
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return merge(crumbs<j, 0>(lines), bit_of<j, 2>(lines + 128));
  }
};

struct ScaleAndMinLines16 {  // low nibble: scale, high nibble: min
  Floats d, dmin;
  Line both[4];
};

struct Q2_K : Layout<2, 4, 8, 2> {
  static constexpr int kBits = 2, kOffsetShift = -1, kScales = 2;
  static constexpr bool kHasMin = true;
  using Head = ScaleAndMinLines16;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    return {head(block, 0, group),
            negate(head(block, 1, group)),
            {scale_line(block, 0, group), scale_line(block, 1, group), scale_line(block, 2, group),
             scale_line(block, 3, group)}};
  }
  static PRONK_INLINE Ints byte(const Head& h, int sub, int half) {
    return unsigned_byte(h.both[sub / 2], sub % 2 * 2 + half);
  }
  static PRONK_INLINE Floats scale(const Head& h, int sub, int half) {
    return multiply(h.d, to_floats(mask_bits(byte(h, sub, half), 15)));
  }
  static PRONK_INLINE Floats min(const Head& h, int sub, int half) {
    return multiply(h.dmin, to_floats(shift_right(byte(h, sub, half), 4)));
  }
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return crumbs<j, 0>(lines);
  }
};

struct ScalesHighAndLow {
  Floats d;
  Ints high;  // 8 x 2 bits
  Line low;   // 8 nibbles
};

struct IQ4_XS : Layout<2, 1, 8, 4> {
  static constexpr int kBits = 8, kOffsetShift = 7, kScales = 1;
  static constexpr bool kHasMin = false;
  using Head = ScalesHighAndLow;
  static PRONK_INLINE Head read_head(const uint8_t* block, int group) {
    return {head(block, 0, group), load_shorts(block + 64 + 32 * group),
            scale_line(block, 0, group)};
  }
  static PRONK_INLINE Floats scale(const Head& h, int sub, int) {
    const Ints low = mask_bits(shift_right(unsigned_byte(h.low, sub / 2), sub % 2 * 4), 15);
    const Ints high = shift_left<4>(mask_bits(shift_right(h.high, 2 * sub), 3));
    return multiply(h.d, to_floats(add(either(low, high), broadcast_int(-32))));
  }
  template <int j>
  static PRONK_INLINE Line weights(const uint8_t* lines) {
    return look_up(kIq4Values, 128, nibbles<j>(lines));
  }
};

// Weights that may be multiplied as pairs of columns (linear_pairs.inc.h): those of one scale and
// up to 5 bits; but it does not pay where they come from a table.
template <class F>
constexpr bool kFitsPairs = F::kScales == 1 && F::kBits <= 5;
template <>
constexpr bool kFitsPairs<MXFP4> = false;

// Activations::max. The sum with a weight less half the weights' range is to fit into a byte.
template <class F>
constexpr int kMax = kFitsPairs<F> ? 128 - (1 << (F::kBits - 1)) : kActivationMax;

}  // namespace
}  // namespace pronk::kernels::PRONK_ISA
