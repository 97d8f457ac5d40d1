// Llama 3.1's shape rules at tiny width, in every format and sharding: the same rows as the twin.
#include "formats/expect_equal.h"
#include "formats/model_source.h"
#include "formats/synthetic_files.h"
#include "support.h"

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

// Values divided by a row's scale (fbgemm_fp8, compressed-tensors "channel") or the tensor's.
void expect_hf_fp8_twin(bool per_row, const char* quantization, DType scale_type,
                        const char* scale_name) {
  const SyntheticModel model = make_synthetic(k8B);
  std::vector<Array> arrays;
  for (Array a : arrays_of(model, DType::kBF16, "BF16")) {
    if (a.name.find("mlp.") != std::string::npos) {
      Matrix m = model.tensors.at(a.name);
      Matrix scales{per_row ? m.rows : 1, 1, {}};
      for (std::int64_t r = 0; r < m.rows; ++r)
        for (std::int64_t c = 0; c < m.columns; ++c)
          m.values[static_cast<std::size_t>(r * m.columns + c)] /= fp8_scale(per_row ? r : 0);
      for (std::int64_t r = 0; r < scales.rows; ++r) scales.values.push_back(fp8_scale(r));
      a.type = "F8_E4M3", a.bytes = encode(m, DType::kF8E4M3);
      arrays.push_back({a.name + "_scale", scale_name, fmt::format("{},1", scales.rows),
                        encode(scales, scale_type)});
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
}

TEST(HuggingFaceTwin, FbgemmFp8) {
  expect_hf_fp8_twin(true, R"({"quant_method":"fbgemm_fp8"})", DType::kF32, "F32");
}
TEST(HuggingFaceTwin, CompressedTensorsPerTensor) {
  expect_hf_fp8_twin(false, R"({"quant_method":"compressed-tensors","format":"float-quantized"})",
                     DType::kBF16, "BF16");
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

TEST(Llama2cTwin, BothVersionsTiedAndNot) {
  for (const bool tied : {false, true})
    for (const int version : {0, 1}) {
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
