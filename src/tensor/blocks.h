// The byte layout of every quantized block, as GGUF files store it. A block is one struct of bytes
// without padding; 16-bit members are little-endian halfs (IEEE binary16). `q` below is a weight's
// stored integer, w its value.
#pragma once
#include <cstdint>

namespace pronk::blocks {

using Half = std::uint16_t;

// 32 values. Where nibbles stand in 16 bytes, byte j holds value j (low nibble) and value j + 16.

struct Q4_0 {  // w = d (q − 8)
  Half d;
  std::uint8_t nibbles[16];
};
struct Q4_1 {  // w = d q + m
  Half d, m;
  std::uint8_t nibbles[16];
};
struct Q5_0 {  // w = d (q − 16)
  Half d;
  std::uint8_t fifth[4];  // bit j of the 32 is value j's bit 4
  std::uint8_t nibbles[16];
};
struct Q5_1 {  // w = d q + m
  Half d, m;
  std::uint8_t fifth[4];
  std::uint8_t nibbles[16];
};
struct Q8_0 {  // w = d q
  Half d;
  std::int8_t values[32];
};
struct IQ4_NL {  // w = d kIq4Values[q]
  Half d;
  std::uint8_t nibbles[16];
};
struct MXFP4 {  // w = 2^(e − 128) kE2m1Doubled[q]
  std::uint8_t e;
  std::uint8_t nibbles[16];
};

// 128 values. No file but pronk's own has these: FP8 comes with its scales apart.

struct F8Scaled {  // w = scale · E4M3
  float scale;
  std::uint8_t values[128];
};

// 256 values.

struct Q2_K {               // w = d scale q − dmin min; 16 sub-blocks of 16
  std::uint8_t scales[16];  // low nibble: scale, high nibble: min
  std::uint8_t
      crumbs[64];  // value 128 h + 32 j + l: bits 2j of byte 32 h + l (h < 2, j < 4, l < 32)
  Half d, dmin;
};
struct Q3_K {               // w = d (scale − 32) (q − 4); 16 sub-blocks of 16
  std::uint8_t third[32];   // value 32 i + l: bit i of byte l is its bit 2
  std::uint8_t crumbs[64];  // as in Q2_K
  std::uint8_t scales[12];  // 6 bits each: low 4 of scale i: byte i % 8, low nibble for i < 8;
  Half d;                   //   high 2: byte 8 + i % 4, bits 2 (i / 4)
};
struct Q4_K {  // w = d scale q − dmin min; 8 sub-blocks of 32
  Half d, dmin;
  std::uint8_t scales[12];  // see scale_and_min in dequantize.cc
  std::uint8_t
      nibbles[128];  // value 64 c + l: low nibble of byte 32 c + l; 64 c + 32 + l: its high
};
struct Q5_K {  // the same with a fifth bit
  Half d, dmin;
  std::uint8_t scales[12];
  std::uint8_t fifth[32];  // value 32 i + l: bit i of byte l is its bit 4
  std::uint8_t nibbles[128];
};
struct Q6_K {                 // w = d scale (q − 32); 16 sub-blocks of 16
  std::uint8_t nibbles[128];  // value 128 h + 64 n + l: nibble n of byte 64 h + l (l < 64)
  std::uint8_t crumbs[64];    // bits 4 and 5; as in Q2_K
  std::int8_t scales[16];
  Half d;
};
struct IQ4_XS {  // w = d (scale − 32) kIq4Values[q]; 8 sub-blocks of 32
  Half d;
  std::uint16_t scales_high;    // bits 2i: the high 2 bits of scale i
  std::uint8_t scales_low[4];   // nibble i: its low 4 bits
  std::uint8_t nibbles[8][16];  // as in a block of 32
};

static_assert(sizeof(Q4_0) == 18 && sizeof(Q4_1) == 20 && sizeof(Q5_0) == 22 &&
              sizeof(Q5_1) == 24 && sizeof(Q8_0) == 34 && sizeof(IQ4_NL) == 18 &&
              sizeof(MXFP4) == 17 && sizeof(Q2_K) == 84 && sizeof(Q3_K) == 110 &&
              sizeof(Q4_K) == 144 && sizeof(Q5_K) == 176 && sizeof(Q6_K) == 210 &&
              sizeof(IQ4_XS) == 136 && sizeof(F8Scaled) == 132);

inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// Twice the values of a 4-bit float with 2 exponent bits and 1 mantissa bit.
inline constexpr std::int8_t kE2m1Doubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace pronk::blocks
