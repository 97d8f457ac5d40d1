// FP8 with scales keeps its bytes when it is packed, and its values.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <span>

#include "formats/packed_file.h"
#include "kernels/pack.h"
#include "model/first_logits.h"
#include "model/synthetic_model.h"
#include "support.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

struct Scales {
  const char* name;
  std::int64_t rows, columns;  // as TensorPiece has them
  DType packed;
};
constexpr Scales kScales[] = {{"OfTensors", 0, 0, DType::kF8Scaled},
                              {"OfRows", 1, 0, DType::kF8Scaled},
                              {"OfBlocks", 128, 128, DType::kF8Scaled},
                              {"OfNarrowBlocks", 1, 64, DType::kBF16}};

// Values of two ranks side by side, as Meta's checkpoints have them, where `is_cut`.
std::shared_ptr<ModelSource> source_with(const Scales& s, bool is_cut = false) {
  auto source = synthetic_model(wide_config(), DType::kF8E4M3);
  for (auto& [name, tensor] : source->tensors) {
    if (tensor.rows == 1) continue;
    const auto size = static_cast<std::size_t>(2 * tensor.rows * tensor.columns);
    auto memory = std::make_unique<std::byte[]>(size * sizeof(float));
    auto* scales = reinterpret_cast<float*>(memory.get());
    for (std::size_t i = 0; i < size; ++i) scales[i] = 0.5f + 0.01f * static_cast<float>(i % 97);
    TensorPiece& first = tensor.pieces[0];
    first.scales = scales;
    first.scale_rows = s.rows, first.scale_columns = s.columns;
    if (is_cut) {
      TensorPiece second = first;
      first.num_columns = second.column_begin = second.num_columns = tensor.columns / 2;
      second.data += second.column_begin;
      second.scales += size / 2;
      tensor.pieces.push_back(second);
    }
    source->owned.push_back(std::move(memory));
  }
  return source;
}

template <class Check>
void for_each_matrix(const Model& model, const Check& check) {
  LlamaWeights weights = model.weights();
  weights.for_each_tensor([&](const auto& w) {
    if constexpr (requires { w.panels; })
      if (w.panels) check(w);
  });
}

class Fp8 : public testing::TestWithParam<Scales> {};
class Fp8OfWholeBlocks : public Fp8 {};

TEST_P(Fp8, PanelsHaveItsValues) {
  for (const bool is_cut : {false, true}) {
    const auto source = source_with(GetParam(), is_cut);
    const auto model = load(source);
    int num_matrices = 0;
    for_each_matrix(*model, [&](const Linear& w) {
      ++num_matrices;
      ASSERT_EQ(w.packed_type, GetParam().packed) << w.name;
      std::vector<std::byte> stored(static_cast<std::size_t>(row_bytes(*w.packed_type, w.columns)));
      std::vector<float> got(static_cast<std::size_t>(w.columns)), wanted = got;
      for (int r = 0; r < w.rows; ++r) {
        kernels::unpack_row(*w.packed_type,
                            w.panels.get() + r / kernels::kPanelRows * w.panel_bytes(),
                            r % kernels::kPanelRows, w.columns, stored.data());
        dequantize_row(*w.packed_type, stored.data(), w.columns, got.data());
        w.read_row(r, wanted.data());
        if (w.packed_type == DType::kF8Scaled) {
          ASSERT_EQ(got, wanted) << w.name << " row " << r;
        } else {
          for (std::size_t i = 0; i < got.size(); ++i)
            ASSERT_NEAR(got[i], wanted[i], std::abs(wanted[i]) / 256) << w.name << " row " << r;
        }
      }
    });
    EXPECT_GT(num_matrices, 7);
  }
}

TEST_P(Fp8OfWholeBlocks, TakesTheMemoryOfItsBytes) {
  const auto source = source_with(GetParam());
  EXPECT_LE(static_cast<double>(load(source)->weight_bytes()),
            1.05 * static_cast<double>(source->weight_bytes()));
}

TEST_P(Fp8, PackedOnItsSecondUseComputesTheSameBits) {
  const auto source = source_with(GetParam());
  const auto later = load(source, {.pack_on_second_use = true});
  EXPECT_GT(later->bytes_to_pack(), 0);
  EXPECT_EQ(logits_of(later), logits_of(load(source)));
}

// Of others it is refused: packed_test.cc.
TEST_P(Fp8OfWholeBlocks, APackedFileComputesTheSameBits) {
  const fs::path path = fs::temp_directory_path() / ("pronk_fp8_" + std::to_string(::getpid()));
  fs::remove(path);
  const auto source = source_with(GetParam());
  ASSERT_OK(write_packed(*source, path));
  const auto packed = read_model(path);
  ASSERT_OK(packed);
  for (const Precision p : {Precision::kFast, Precision::kHigh, Precision::kFp32}) {
    const auto found = load(*packed, {.precision = p}), wanted = load(source, {.precision = p});
    EXPECT_EQ(logits_of(found), logits_of(wanted));
  }
  fs::remove(path);
}

const auto name_of = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(Scales, Fp8, testing::ValuesIn(kScales), name_of);
INSTANTIATE_TEST_SUITE_P(Scales, Fp8OfWholeBlocks, testing::ValuesIn(std::span(kScales).first(3)),
                         name_of);

}  // namespace
}  // namespace pronk
