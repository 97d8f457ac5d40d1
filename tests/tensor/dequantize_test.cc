#include "tensor/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "support.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace pronk {
namespace {

std::vector<std::byte> read_golden(const std::string& name) {
  std::ifstream in(test_data("tensor/" + name), std::ios::binary);
  EXPECT_TRUE(in) << name;
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  return {first, first + bytes.size()};
}

std::uint32_t bits(float f) { return std::bit_cast<std::uint32_t>(f); }

TEST(DType, SizesAgreeWithTheBlocks) {
  EXPECT_EQ(info(DType::kQ4_K).block_bytes, 144);
  EXPECT_EQ(row_bytes(DType::kQ6_K, 512), 420);
  EXPECT_EQ(row_bytes(DType::kF32, 172), 688);
}

TEST(DType, NamesAreReadBackInAnyCase) {
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(info(type).name), type);
  }
  EXPECT_EQ(dtype_from_name("q4_k"), DType::kQ4_K);
  EXPECT_EQ(dtype_from_name("f8e4m3"), DType::kF8E4M3);
  EXPECT_EQ(dtype_from_name("Q4_K_M"), std::nullopt);
}

// The golden files: tools/make_tensor_goldens.py.
TEST(Dequantize, EqualsGgufBitForBit) {
  constexpr int kValues = 1024;
  for (int i = static_cast<int>(DType::kQ4_0); i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    if (type == DType::kF8Scaled) continue;  // pronk's own
    SCOPED_TRACE(info(type).name);
    const auto golden = read_golden(std::string(info(type).name) + ".dequantized");
    const auto stored = static_cast<std::size_t>(row_bytes(type, kValues));
    ASSERT_EQ(golden.size(), stored + kValues * sizeof(float));
    std::vector<float> expected(kValues), got(kValues);
    std::memcpy(expected.data(), golden.data() + stored, kValues * sizeof(float));
    dequantize_row(type, golden.data(), kValues, got.data());
    for (std::size_t v = 0; v < kValues; ++v)
      ASSERT_EQ(bits(got[v]), bits(expected[v])) << "value " << v << ": " << got[v];
  }
}

TEST(Quantize, EqualsGgufBitForBit) {
  const auto raw = read_golden("values.f32");
  std::vector<float> values(raw.size() / sizeof(float));
  ASSERT_EQ(values.size(), 2048u);
  std::memcpy(values.data(), raw.data(), raw.size());
  const auto n = static_cast<std::int64_t>(values.size());
  for (DType type : {DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                     DType::kQ5_1, DType::kQ8_0}) {
    SCOPED_TRACE(info(type).name);
    ASSERT_TRUE(can_quantize(type));
    const auto golden = read_golden(std::string(info(type).name) + ".quantized");
    ASSERT_EQ(static_cast<std::int64_t>(golden.size()), row_bytes(type, n));
    std::vector<std::byte> got(golden.size());
    quantize_row(type, values.data(), n, got.data());
    for (std::size_t b = 0; b < got.size(); ++b) ASSERT_EQ(got[b], golden[b]) << "byte " << b;
  }
}

TEST(Quantize, NoNumbersMakeNoUndefinedCasts) {
  std::vector<float> values(64, std::numeric_limits<float>::quiet_NaN());
  values[3] = std::numeric_limits<float>::infinity();
  values[40] = 1e-42f;
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    if (!can_quantize(type)) continue;
    std::vector<std::byte> out(static_cast<std::size_t>(row_bytes(type, 64)));
    quantize_row(type, values.data(), 64, out.data());  // under UBSan: no complaint
    std::vector<float> back(64);
    dequantize_row(type, out.data(), 64, back.data());
    if (info(type).block_size == 1) {
      EXPECT_TRUE(std::isnan(back[0])) << info(type).name;
    }
  }
}

TEST(Dequantize, ScaledFp8IsValueTimesScale) {
  blocks::F8Scaled all[2];
  for (unsigned v = 0; v < 256; ++v) all[v / 128].values[v % 128] = static_cast<std::uint8_t>(v);
  all[0].scale = 0.37f, all[1].scale = -3;
  std::vector<float> out(256);
  dequantize_row(DType::kF8Scaled, reinterpret_cast<const std::byte*>(all), 256, out.data());
  for (unsigned v = 0; v < 256; ++v)
    if (v % 128 == 127)
      EXPECT_TRUE(std::isnan(out[v]));
    else
      EXPECT_EQ(out[v], f8e4m3_to_float(static_cast<std::uint8_t>(v)) * all[v / 128].scale) << v;
}

// Every bit pattern against the formats' definitions.
double value_of(unsigned pattern, int exponent_bits, int mantissa_bits, int bias) {
  const unsigned mantissa = pattern & ((1u << mantissa_bits) - 1);
  const unsigned exponent = pattern >> mantissa_bits & ((1u << exponent_bits) - 1);
  const double sign = pattern >> (mantissa_bits + exponent_bits) & 1 ? -1 : 1;
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias)
                       : sign * std::ldexp(1 + fraction, static_cast<int>(exponent) - bias);
}

TEST(SmallFloats, HalfReadsEveryPattern) {
  for (unsigned h = 0; h < 0x10000; ++h) {
    const float got = half_to_float(static_cast<std::uint16_t>(h));
    if ((h & 0x7c00) == 0x7c00) {
      EXPECT_EQ(h & 0x3ff ? std::isnan(got) : std::isinf(got), true);
      EXPECT_EQ(std::signbit(got), h >> 15);
    } else {
      EXPECT_EQ(bits(got), bits(static_cast<float>(value_of(h, 5, 10, 15)))) << h;
      EXPECT_EQ(float_to_half(got), h);
    }
  }
}

TEST(SmallFloats, F8ReadsEveryPattern) {
  for (unsigned v = 0; v < 0x100; ++v) {
    const float got = f8e4m3_to_float(static_cast<std::uint8_t>(v));
    if ((v & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(got));
    } else {
      EXPECT_EQ(bits(got), bits(static_cast<float>(value_of(v, 4, 3, 7)))) << v;
    }
    EXPECT_EQ(float_to_f8e4m3(got), v);
  }
}

// Between two neighbours: their middle goes to the even one, anything beside it to the nearer.
template <class Stored, class ToFloat, class FromFloat>
void expect_rounds_to_nearest_even(unsigned largest, ToFloat to_float, FromFloat from_float) {
  for (unsigned v = 0; v < largest; ++v) {
    const float low = to_float(static_cast<Stored>(v)), high = to_float(static_cast<Stored>(v + 1));
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(from_float(middle), v + (v & 1)) << v;
    ASSERT_EQ(from_float(std::nextafter(middle, low)), v) << v;
    ASSERT_EQ(from_float(std::nextafter(middle, high)), v + 1) << v;
    ASSERT_EQ(from_float(-middle) & (v + (v & 1)), v + (v & 1)) << v;
  }
}

TEST(SmallFloats, RoundToNearestEven) {
  expect_rounds_to_nearest_even<std::uint16_t>(0x7bff, half_to_float, float_to_half);
  expect_rounds_to_nearest_even<std::uint16_t>(0x7f7f, bf16_to_float, float_to_bf16);
  expect_rounds_to_nearest_even<std::uint8_t>(0x7e, f8e4m3_to_float, float_to_f8e4m3);
}

TEST(SmallFloats, BeyondTheRange) {
  EXPECT_EQ(float_to_half(65519.99f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_f8e4m3(1e30f), 0x7e);
  EXPECT_EQ(float_to_f8e4m3(-std::numeric_limits<float>::infinity()), 0xfe);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace pronk
