// Llama 3.1's shape rules at tiny width, in every format and sharding: the same rows as the twin.
#include "formats/expect_equal.h"
#include "formats/model_source.h"
#include "formats/synthetic_files.h"
#include "formats/tensor_panels.h"
#include "kernels/pack.h"
#include "support.h"
#include "tensor/dequantize.h"

namespace pronk {
namespace {

using namespace testing;

// 8B: 4 query heads a key/value head. 70B: 8. 405B: 16, and 126 layers.
const Shape k8B = {
    .layers = 3, .model_dim = 64, .ffn_dim = 96, .heads = 32, .kv_heads = 8, .vocab = 64};
const Shape k70B = {
    .layers = 3, .model_dim = 128, .ffn_dim = 64, .heads = 64, .kv_heads = 8, .vocab = 64};
const Shape k405B = {
    .layers = 3, .model_dim = 256, .ffn_dim = 64, .heads = 128, .kv_heads = 8, .vocab = 64};
const Shape k126Layers = {
    .layers = 126, .model_dim = 64, .ffn_dim = 32, .heads = 32, .kv_heads = 2, .vocab = 32};

void expect_scaled_rope(const ModelSource& source) {
  const RopeConfig& rope = source.config.rope;
  EXPECT_EQ(rope.theta, 500000);
  EXPECT_EQ(rope.scaling.kind, RopeScaling::Kind::kLlama3);
  EXPECT_EQ(rope.scaling.factor, 8);
  EXPECT_EQ(rope.scaling.low_freq_factor, 1);
  EXPECT_EQ(rope.scaling.high_freq_factor, 4);
  EXPECT_EQ(rope.scaling.original_context, 8192);
}

void expect_meta_twin(const Shape& shape, const MetaLayout& layout) {
  const SyntheticModel model = make_synthetic(shape);
  const MetaFiles files = meta_files(model, layout);
  TempFolder folder("meta_twin");
  folder.write("params.json", meta_params(model.config));
  for (std::size_t i = 0; i < files.shards.size(); ++i)
    folder.write(fmt::format("consolidated.{:02}.pth", i), files.shards[i]);
  for (std::size_t i = 0; i < files.scales.size(); ++i)
    folder.write(fmt::format("fp8_scales_{}.pt", i), files.scales[i]);
  const auto source = read_model(folder.path());
  ASSERT_OK(source);
  expect_equal(**source, model);
  expect_scaled_rope(**source);
}

TEST(MetaTwin, OneShardOf8B) { expect_meta_twin(k8B, {}); }
TEST(MetaTwin, TwoShards) { expect_meta_twin(k8B, {.num_shards = 2}); }
TEST(MetaTwin, EightShardsOf70B) { expect_meta_twin(k70B, {.num_shards = 8}); }
TEST(MetaTwin, EightShardsOf405B) { expect_meta_twin(k405B, {.num_shards = 8}); }
TEST(MetaTwin, SixteenShardsRepeatKeyAndValueHeads) { expect_meta_twin(k405B, {.num_shards = 16}); }
TEST(MetaTwin, EightFp8ShardsWithScaleFiles) {
  expect_meta_twin(k405B, {.num_shards = 8, .fp8 = true});
}
TEST(MetaTwin, Llama2SplitsTheEmbeddingByColumns) {
  expect_meta_twin(k70B, {.num_shards = 8, .llama2_embedding = true});
}
TEST(MetaTwin, OneHundredTwentySixLayers) { expect_meta_twin(k126Layers, {.num_shards = 8}); }

TEST(HuggingFaceTwin, OneFile) {
  const SyntheticModel model = make_synthetic(k126Layers);
  TempFolder folder("hf_twin");
  folder.write("config.json", hf_config(model.config));
  folder.write("model.safetensors", safetensors(arrays_of(model, DType::kBF16, "BF16")));
  const auto source = read_model(folder.path());
  ASSERT_OK(source);
  expect_equal(**source, model);
  expect_scaled_rope(**source);
}

TEST(HuggingFaceTwin, ManyFilesWithIndex) {
  const SyntheticModel model = make_synthetic(k8B);
  TempFolder folder("hf_index");
  folder.write("config.json", hf_config(model.config));
  std::vector<Array> parts[3];
  std::string map;
  int i = 0;
  for (const Array& a : arrays_of(model, DType::kF16, "F16")) {
    map += fmt::format(R"({}"{}":"part{}.safetensors")", map.empty() ? "" : ",", a.name, i % 3);
    parts[i++ % 3].push_back(a);
  }
  for (int p = 0; p < 3; ++p)
    folder.write(fmt::format("part{}.safetensors", p), safetensors(parts[p]));
  folder.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const auto source = read_model(folder.path());
  ASSERT_OK(source);
  expect_equal(**source, model);
}

// Values divided by a scale for each `rows` x `columns` of a tensor (0: all of them).
struct Fp8Scales {
  std::int64_t rows, columns;
  DType type;
  const char *type_name, *suffix;
};

// Panels of the rows in the file, read back.
void expect_same_in_panels(const ModelSource& source, const std::string& name) {
  const TensorSource& t = source.tensors.at(name);
  const DType type = panel_type(t);
  ASSERT_EQ(type, DType::kF8Scaled) << name;
  const int columns = static_cast<int>(t.columns);
  const std::int64_t num_panels = kernels::num_panels(t.rows),
                     each = kernels::panel_bytes(type, columns);
  std::vector<std::byte> panels(static_cast<std::size_t>(num_panels * each)),
      stored(static_cast<std::size_t>(row_bytes(type, columns)));
  PanelScratch scratch;
  pack_panels(source, t, type, 0, num_panels, scratch, panels.data());
  std::vector<float> found(static_cast<std::size_t>(columns)), expected = found;
  for (std::int64_t row = 0; row < t.rows; ++row) {
    kernels::unpack_row(type, panels.data() + row / kernels::kPanelRows * each,
                        static_cast<int>(row % kernels::kPanelRows), columns, stored.data());
    dequantize_row(type, stored.data(), columns, found.data());
    t.read_row(row, expected.data());
    ASSERT_EQ(found, expected) << name << " row " << row;
  }
}

void expect_hf_fp8_twin(const Fp8Scales& s, const char* quantization) {
  const SyntheticModel model = make_synthetic({.model_dim = 256, .ffn_dim = 160});
  std::vector<Array> arrays;
  for (Array a : arrays_of(model, DType::kBF16, "BF16")) {
    if (a.name.find("mlp.") != std::string::npos) {
      Matrix m = model.tensors.at(a.name);
      const std::int64_t rows = s.rows ? s.rows : m.rows,
                         columns = s.columns ? s.columns : m.columns;
      Matrix scales{(m.rows + rows - 1) / rows, (m.columns + columns - 1) / columns, {}};
      for (std::int64_t r = 0; r < m.rows; ++r)
        for (std::int64_t c = 0; c < m.columns; ++c)
          m.values[static_cast<std::size_t>(r * m.columns + c)] /=
              fp8_scale(r / rows * scales.columns + c / columns);
      for (std::int64_t i = 0; i < scales.rows * scales.columns; ++i)
        scales.values.push_back(fp8_scale(i));
      a.type = "F8_E4M3", a.bytes = encode(m, DType::kF8E4M3);
      arrays.push_back({a.name + s.suffix, s.type_name,
                        fmt::format("{},{}", scales.rows, scales.columns), encode(scales, s.type)});
    }
    arrays.push_back(a);
  }
  TempFolder folder("hf_fp8");
  std::string config = hf_config(model.config);
  config.replace(config.size() - 1, 1, fmt::format(",\"quantization_config\":{}}}", quantization));
  folder.write("config.json", config);
  folder.write("model.safetensors", safetensors(arrays));
  const auto source = read_model(folder.path());
  ASSERT_OK(source);
  expect_equal(**source, model);
  EXPECT_EQ((*source)->tensors.at("model.layers.1.mlp.up_proj.weight").raw_row(0), nullptr);
  expect_same_in_panels(**source, "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(panel_type((*source)->tensors.at("model.layers.1.mlp.down_proj.weight")), DType::kBF16)
      << "rows of 160 are not whole blocks";
}

TEST(HuggingFaceTwin, FbgemmFp8) {
  expect_hf_fp8_twin({1, 0, DType::kF32, "F32", "_scale"}, R"({"quant_method":"fbgemm_fp8"})");
}
TEST(HuggingFaceTwin, CompressedTensorsPerTensor) {
  expect_hf_fp8_twin({0, 0, DType::kBF16, "BF16", "_scale"},
                     R"({"quant_method":"compressed-tensors","format":"float-quantized"})");
}
TEST(HuggingFaceTwin, Fp8Blocks) {
  expect_hf_fp8_twin({128, 128, DType::kF32, "F32", "_scale_inv"},
                     R"({"quant_method":"fp8","weight_block_size":[128,128]})");
}

TEST(GgufTwin, EveryLayer) {
  const SyntheticModel model = make_synthetic(k126Layers);
  TempFolder folder("gguf_twin");
  const auto source = read_model(folder.write("m.gguf", gguf(model).bytes()));
  ASSERT_OK(source);
  expect_equal(**source, model);
}

TEST(GgufTwin, AnyFileOfASplitSet) {
  const SyntheticModel model = make_synthetic(k8B);
  TempFolder folder("gguf_split");
  GgufBytes parts[3];
  add_gguf_config(model.config, &parts[0]);
  int i = 0;
  for (const auto& [name, m] : model.tensors)
    add_gguf_tensor(name, m, model.config, &parts[i++ % 3]);
  std::filesystem::path last;
  for (int p = 0; p < 3; ++p) {
    parts[p].add_u16("split.no", static_cast<std::uint16_t>(p));
    parts[p].add_u16("split.count", 3);
    last = folder.write(fmt::format("m-{:05}-of-00003.gguf", p + 1), parts[p].bytes());
  }
  for (const auto& path : {last, folder.path() / "m-00001-of-00003.gguf", folder.path()}) {
    const auto source = read_model(path);
    ASSERT_OK(source);
    expect_equal(**source, model);
  }
  std::filesystem::remove(folder.path() / "m-00002-of-00003.gguf");
  const auto missing = read_model(last);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("m-00002-of-00003.gguf"), std::string::npos);
}

TEST(Llama2cTwin, EveryVersionTiedAndNot) {
  for (const bool tied : {false, true})
    for (const int version : {0, 1, 2}) {
      const SyntheticModel model =
          make_synthetic({.ffn_dim = 43}, tied);  // no block size divides 43
      TempFolder folder("llama2c");
      const auto source = read_model(folder.write("m.bin", llama2c(model, version)));
      ASSERT_OK(source);
      expect_equal(**source, model);
      EXPECT_EQ((*source)->format, fmt::format("llama2.c v{}", version));
    }
}

}  // namespace
}  // namespace pronk
