#include <cmath>
#include <cstring>

#include "pronk/result.h"
#include "tensor/blocks.h"
#include "tensor/dequantize.h"
#include "tensor/half.h"

namespace pronk {
namespace {

using namespace blocks;

constexpr int kValues = 32;

// The whole part within 0..largest; NaN, which a scale that is no number gives, becomes 0.
std::uint8_t whole(float value, int largest) {
  if (!(value > 0)) return 0;
  return static_cast<std::uint8_t>(value < static_cast<float>(largest) ? static_cast<int>(value)
                                                                       : largest);
}

float inverse(float d) { return d == 0 ? 0 : 1 / d; }

// The value of largest magnitude, with its sign; the first of equals.
float extreme(const float* x) {
  float found = x[0];
  for (int i = 1; i < kValues; ++i)
    if (std::fabs(x[i]) > std::fabs(found)) found = x[i];
  return found;
}

struct Range {
  float min, max;
};
Range range(const float* x) {
  Range r{x[0], x[0]};
  for (int i = 1; i < kValues; ++i) r = {std::fmin(r.min, x[i]), std::fmax(r.max, x[i])};
  return r;
}

void pack_nibbles(const std::uint8_t* q, std::uint8_t* nibbles) {
  for (int i = 0; i < 16; ++i)
    nibbles[i] = static_cast<std::uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
}

void pack_fifth(const std::uint8_t* q, std::uint8_t* fifth) {
  std::memset(fifth, 0, 4);
  for (int i = 0; i < kValues; ++i)
    fifth[i / 8] = static_cast<std::uint8_t>(fifth[i / 8] | (q[i] >> 4 & 1) << (i % 8));
}

// q = ⌊x / d + center + ½⌋ with d = extreme / −center: the extreme value becomes 0 exactly.
void quantize_centered(const float* x, int center, std::uint8_t* q, Half* d_out) {
  const float d = extreme(x) / static_cast<float>(-center), id = inverse(d);
  for (int i = 0; i < kValues; ++i)
    q[i] = whole(x[i] * id + (static_cast<float>(center) + 0.5f), 2 * center - 1);
  *d_out = float_to_half(d);
}

// q = ⌊(x − min) / d + ½⌋ with d = (max − min) / largest.
void quantize_ranged(const float* x, int largest, std::uint8_t* q, Half* d_out, Half* m_out) {
  const Range r = range(x);
  const float d = (r.max - r.min) / static_cast<float>(largest), id = inverse(d);
  for (int i = 0; i < kValues; ++i) q[i] = whole((x[i] - r.min) * id + 0.5f, largest);
  *d_out = float_to_half(d);
  *m_out = float_to_half(r.min);
}

void encode(const float* x, Q4_0& b) {
  std::uint8_t q[kValues];
  quantize_centered(x, 8, q, &b.d);
  pack_nibbles(q, b.nibbles);
}

void encode(const float* x, Q4_1& b) {
  std::uint8_t q[kValues];
  quantize_ranged(x, 15, q, &b.d, &b.m);
  pack_nibbles(q, b.nibbles);
}

void encode(const float* x, Q5_0& b) {
  std::uint8_t q[kValues];
  quantize_centered(x, 16, q, &b.d);
  pack_nibbles(q, b.nibbles);
  pack_fifth(q, b.fifth);
}

void encode(const float* x, Q5_1& b) {
  std::uint8_t q[kValues];
  quantize_ranged(x, 31, q, &b.d, &b.m);
  pack_nibbles(q, b.nibbles);
  pack_fifth(q, b.fifth);
}

void encode(const float* x, Q8_0& b) {
  const float d = std::fabs(extreme(x)) / 127, id = inverse(d);
  for (int i = 0; i < kValues; ++i) {
    const float q = std::round(x[i] * id);  // halves away from zero
    b.values[i] = static_cast<std::int8_t>(q >= 127 ? 127 : q >= -127 ? static_cast<int>(q) : -127);
  }
  b.d = float_to_half(d);
}

template <class Block>
void encode_row(const float* x, std::int64_t n, std::byte* out) {
  Block block;
  for (std::int64_t i = 0; i < n; i += kValues, out += sizeof block) {
    encode(x + i, block);
    std::memcpy(out, &block, sizeof block);
  }
}

template <class Stored, Stored (*from_float)(float)>
void convert_row(const float* x, std::int64_t n, std::byte* out) {
  for (std::int64_t i = 0; i < n; ++i) {
    const Stored value = from_float(x[i]);
    std::memcpy(out + i * static_cast<std::int64_t>(sizeof value), &value, sizeof value);
  }
}

}  // namespace

bool can_quantize(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3:
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ5_0:
    case DType::kQ5_1:
    case DType::kQ8_0:
      return true;
    default:
      return false;
  }
}

void quantize_row(DType type, const float* values, std::int64_t n, std::byte* out) {
  switch (type) {
    case DType::kF32:
      std::memcpy(out, values, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case DType::kF16:
      return convert_row<std::uint16_t, float_to_half>(values, n, out);
    case DType::kBF16:
      return convert_row<std::uint16_t, float_to_bf16>(values, n, out);
    case DType::kF8E4M3:
      return convert_row<std::uint8_t, float_to_f8e4m3>(values, n, out);
    case DType::kQ4_0:
      return encode_row<Q4_0>(values, n, out);
    case DType::kQ4_1:
      return encode_row<Q4_1>(values, n, out);
    case DType::kQ5_0:
      return encode_row<Q5_0>(values, n, out);
    case DType::kQ5_1:
      return encode_row<Q5_1>(values, n, out);
    case DType::kQ8_0:
      return encode_row<Q8_0>(values, n, out);
    default:
      PRONK_CHECK(can_quantize(type), "ask can_quantize first");
  }
}

}  // namespace pronk
