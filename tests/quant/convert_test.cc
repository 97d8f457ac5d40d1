#include "quant/convert.h"

#include <sys/resource.h>

#include <csignal>

#include "formats/expect_equal.h"
#include "formats/gguf_file.h"
#include "formats/model_writer.h"
#include "formats/synthetic_files.h"
#include "formats/tokenizer_convert.h"
#include "formats/tokenizer_json.h"
#include "support.h"
#include "text/json.h"

namespace pronk {
namespace {

using namespace testing;
namespace fs = std::filesystem;

// A Hugging Face folder of the model with everything that a conversion should carry along.
fs::path write_hf(const TempFolder& folder, const SyntheticModel& model, DType type,
                  const char* name) {
  const fs::path path = folder.path() / "hf";
  fs::create_directory(path);
  std::string config = hf_config(model.config);
  config.replace(config.size() - 1, 1, ",\"bos_token_id\":1,\"eos_token_id\":2}");
  folder.write("hf/config.json", config);
  folder.write("hf/generation_config.json",
               R"({"temperature":0.6,"top_p":0.9,"top_k":7,"eos_token_id":[2,3]})");
  folder.write("hf/chat_template.jinja", "{{ messages }}");
  folder.write(
      "hf/tokenizer_config.json",
      R"({"chat_template":[{"name":"default","template":"no"},{"name":"tool_use","template":"tools"}]})");
  folder.write("hf/README.md", "---\nlicense: apache-2.0\n---\nText");
  folder.write("hf/model.safetensors", safetensors(arrays_of(model, type, name)));
  return path;
}

std::shared_ptr<const ModelSource> read(const fs::path& path) {
  auto source = read_model(path);
  EXPECT_OK(source);
  return source ? *source : std::make_shared<const ModelSource>();
}

std::size_t num_entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(Convert, GoesRoundAllFormatsWithoutLoss) {
  const SyntheticModel model = make_synthetic({.layers = 3, .heads = 8, .kv_heads = 2});
  TempFolder folder("convert_round");
  folder.write("m.gguf", gguf(model).bytes());
  folder.write("m.bin", llama2c(model, 1));
  fs::create_directory(folder.path() / "meta");
  folder.write("meta/params.json", meta_params(model.config));
  const MetaFiles shards = meta_files(model, {.num_shards = 2, .fp8 = true});
  for (std::size_t i = 0; i < 2; ++i) {
    folder.write(fmt::format("meta/consolidated.0{}.pth", i), shards.shards[i]);
    folder.write(fmt::format("meta/fp8_scales_{}.pt", i), shards.scales[i]);
  }
  const fs::path hf = write_hf(folder, model, DType::kBF16, "BF16");
  int n = 0;
  for (const fs::path& in :
       {folder.path() / "m.gguf", folder.path() / "m.bin", folder.path() / "meta", hf}) {
    const fs::path as_gguf = folder.path() / fmt::format("out{}.gguf", ++n);
    const fs::path as_hf = folder.path() / fmt::format("out{}", n);
    const fs::path again = folder.path() / fmt::format("again{}.gguf", n);
    for (const auto& [from, to] :
         {std::pair(in, as_gguf), std::pair(as_gguf, as_hf), std::pair(as_hf, again)}) {
      const auto report = convert(from, to);
      ASSERT_OK(report);
      EXPECT_EQ(report->num_rounded, 0) << to;
      expect_equal(*read(to), model);
    }
  }
}

TEST(Convert, CarriesWhatIsNotAWeight) {
  const SyntheticModel model = make_synthetic({});
  TempFolder folder("convert_carry");
  const fs::path hf = write_hf(folder, model, DType::kF16, "F16");
  const fs::path as_gguf = folder.path() / "m.gguf", back = folder.path() / "back/";
  ASSERT_OK(convert(hf, as_gguf));
  ASSERT_OK(convert(as_gguf, back));
  for (const fs::path& path : {as_gguf, back}) {
    const auto source = read(path);
    EXPECT_NEAR(source->generation.temperature.value(), 0.6, 1e-9) << path;
    EXPECT_NEAR(source->generation.top_p.value(), 0.9, 1e-9);
    EXPECT_EQ(source->generation.top_k, 7);
    EXPECT_EQ(source->licence, "apache-2.0");
    EXPECT_EQ(source->config.norm_eps, 1e-5);
    EXPECT_EQ(source->config.rope.theta, 500000);
  }
  ASSERT_EQ(read(as_gguf)->chat_templates.size(), 2u);
  EXPECT_EQ(read(as_gguf)->chat_templates[0].text, "{{ messages }}");
  EXPECT_EQ(read(as_gguf)->chat_templates[1].name, "tool_use");
}

TEST(Convert, GgufKeepsWhatAGgufSaysOfItself) {
  TempFolder folder("convert_descriptions");
  const fs::path hf = write_hf(folder, make_synthetic({}), DType::kF16, "F16");
  const auto source = std::const_pointer_cast<ModelSource>(read(hf));
  source->descriptions = {{"general.author", "Ada"},
                          {"general.base_model.count", std::uint32_t{1}},
                          {"general.tags", std::vector<std::string>{"tiny", "test"}}};
  WritePlan plan;
  for (const auto& [name, tensor] : source->tensors) plan.tensors.push_back({&tensor, DType::kF32});
  plan.encode = [](const OutputTensor& o, std::int64_t row, std::byte* out) -> Status {
    o.tensor->read_row(row, reinterpret_cast<float*>(out));
    return Ok{};
  };
  const fs::path first = folder.path() / "first.gguf", second = folder.path() / "second.gguf";
  ASSERT_OK(write_gguf(*source, plan, first));
  ASSERT_OK(convert(first, second));
  EXPECT_EQ(read(second)->descriptions, source->descriptions);
}

TEST(Convert, WritesScaledRopeAsDivisorsAndBack) {
  const SyntheticModel model =
      make_synthetic({.model_dim = 256, .heads = 2});  // K = 128, as released
  TempFolder folder("convert_rope");
  const fs::path hf = write_hf(folder, model, DType::kF32, "F32");
  ASSERT_OK(convert(hf, folder.path() / "m.gguf"));
  ASSERT_OK(convert(folder.path() / "m.gguf", folder.path() / "back"));
  const std::vector<float> divisors = read(folder.path() / "m.gguf")->config.rope.divisors;
  ASSERT_EQ(divisors.size(), 64u);  // docs/formats.md: 0..28 unchanged, 29..34 blended, 35..63 by 8
  EXPECT_EQ(divisors[28], 1);
  EXPECT_GT(divisors[29], 1);
  EXPECT_LT(divisors[34], 8);
  EXPECT_EQ(divisors[35], 8);
  const double frequency_29 = std::pow(500000.0, -2.0 * 29 / 128) / double{divisors[29]};
  EXPECT_NEAR(frequency_29 / 2.166570764e-03, 1, 1e-6);
  EXPECT_EQ(read(folder.path() / "back")->config.rope.scaling, model.config.rope.scaling);
}

TEST(Convert, KeepsQuantizedBlocksAndDequantizesThemExactly) {
  const SyntheticModel model = make_synthetic({.model_dim = 64, .ffn_dim = 96});
  TempFolder folder("convert_blocks");
  folder.write("m.gguf", gguf(model).bytes());
  const fs::path q8 = folder.path() / "q8.gguf", same = folder.path() / "same.gguf",
                 f32 = folder.path() / "f32";
  ASSERT_OK(convert(folder.path() / "m.gguf", q8, {.type = DType::kQ8_0}));
  ASSERT_OK(convert(q8, same));
  const auto plain = convert(q8, f32);
  ASSERT_OK(plain);
  EXPECT_EQ(plain->num_rounded, 0);
  EXPECT_EQ(*read_file(q8), *read_file(same));
  const auto a = read(q8), b = read(f32);
  const TensorSource& blocks = a->tensors.at("model.layers.1.mlp.down_proj.weight");
  const TensorSource& values = b->tensors.at("model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(blocks.dtype, DType::kQ8_0);
  EXPECT_EQ(values.dtype, DType::kF32);
  std::vector<float> x(96), y(96);
  for (std::int64_t r = 0; r < blocks.rows; ++r) {
    blocks.read_row(r, x.data());
    values.read_row(r, y.data());
    ASSERT_EQ(x, y);
  }
}

TEST(Convert, CountsWhatItRounds) {
  SyntheticModel model = make_synthetic({});
  model.tensors.at("lm_head.weight").values[5] = 1 + 1.0f / 256;  // BF16 keeps 8 bits: 1
  TempFolder folder("convert_round_off");
  const fs::path hf = write_hf(folder, model, DType::kF32, "F32");
  const auto report = convert(hf, folder.path() / "out", {.type = DType::kBF16});
  ASSERT_OK(report);
  EXPECT_EQ(report->num_rounded, 1);
  EXPECT_EQ(report->largest_error, 1.0 / 256);
  EXPECT_EQ(report->largest_error_in, "lm_head.weight");
}

TEST(Convert, RefusesValuesThatTheTypeCannotHold) {
  SyntheticModel model = make_synthetic({});
  model.tensors.at("lm_head.weight").values[5] = 1e6f;
  TempFolder folder("convert_overflow");
  const fs::path hf = write_hf(folder, model, DType::kF32, "F32");
  for (const char* out : {"out", "out.gguf"}) {
    const auto report = convert(hf, folder.path() / out, {.type = DType::kF16});
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find("lm_head.weight"), std::string::npos);
    EXPECT_EQ(num_entries(folder.path()), 1u) << "something half-written was left";
  }
}

TEST(Convert, NeverOverwrites) {
  const SyntheticModel model = make_synthetic({});
  TempFolder folder("convert_exists");
  const fs::path in = folder.write("m.gguf", gguf(model).bytes());
  const auto report = convert(in, in);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kInvalidArgument);
  EXPECT_EQ(*read_file(in), gguf(model).bytes());
}

TEST(Convert, RowsThatBlocksDoNotDivideTakeF16) {
  const SyntheticModel model = make_synthetic({.model_dim = 32, .ffn_dim = 43});
  TempFolder folder("convert_172");
  const auto report = convert(folder.write("m.bin", llama2c(model, 0)), folder.path() / "m.gguf",
                              {.type = DType::kQ4_0});
  ASSERT_OK(report);
  const auto source = read(folder.path() / "m.gguf");
  EXPECT_EQ(source->tensors.at("model.layers.0.mlp.down_proj.weight").dtype, DType::kF16);
  EXPECT_EQ(source->tensors.at("model.layers.0.mlp.up_proj.weight").dtype, DType::kQ4_0);
}

// Files of this process may not grow past `bytes`, as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(Convert, AFullDiskLeavesNothingBehind) {
  const SyntheticModel model = make_synthetic({.model_dim = 64, .ffn_dim = 128});
  TempFolder folder("convert_full");
  const fs::path in = folder.write("m.gguf", gguf(model).bytes());
  for (const char* name : {"out.gguf", "out"}) {
    Result<ConvertReport> report = [&] {
      SmallDisk disk(20000);
      return convert(in, folder.path() / name);
    }();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::kResourceExhausted);
    EXPECT_EQ(num_entries(folder.path()), 1u);
  }
}

TEST(Convert, SplitsFoldersIntoShardsWithAnIndex) {
  const SyntheticModel model = make_synthetic({.layers = 4});
  TempFolder folder("convert_shards");
  const auto source = read(folder.write("m.gguf", gguf(model).bytes()));
  WritePlan plan;
  plan.max_shard_bytes = 8000;
  for (const auto& [name, tensor] : source->tensors) plan.tensors.push_back({&tensor, DType::kF32});
  plan.encode = [](const OutputTensor& output, std::int64_t row, std::byte* out) -> Status {
    output.tensor->copy_row(row, out);
    return Ok{};
  };
  ASSERT_OK(write_hf_folder(*source, plan, folder.path() / "out"));
  EXPECT_TRUE(fs::exists(folder.path() / "out" / "model.safetensors.index.json"));
  expect_equal(*read(folder.path() / "out"), model);
}

TEST(Convert, NamesTheValueThatATypeCannotHold) {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e30f}) {
    SyntheticModel model = make_synthetic({.layers = 1, .model_dim = 32, .ffn_dim = 32});
    model.tensors.at("model.layers.0.mlp.up_proj.weight").values[40] = value;
    TempFolder folder("convert_value");
    const auto report = convert(write_hf(folder, model, DType::kF32, "F32"),
                                folder.path() / "m.gguf", {.type = DType::kQ8_0});
    ASSERT_FALSE(report);
    EXPECT_NE(report.error().message.find(
                  fmt::format("up_proj.weight row 1 holds {}, which Q8_0 cannot", value)),
              std::string::npos)
        << report.error().message;
    EXPECT_FALSE(fs::exists(folder.path() / "m.gguf"));
  }
}

TEST(TokenizerConvert, SentencePieceSurvivesGguf) {
  PRONK_NEEDS_SHARED(folder, "tokenizer/llama2");
  const auto given = read_tokenizer(folder / "tokenizer.model");
  ASSERT_OK(given);
  const auto converted = to_gguf_tokenizer(*given, 32000);
  ASSERT_OK(converted);
  const auto reference =
      read_tokenizer(folder / "ggml-vocab-llama-spm.gguf");  // llama.cpp's conversion
  ASSERT_OK(reference);
  EXPECT_EQ(converted->tokens, reference->tokens);
  EXPECT_EQ(converted->scores, reference->scores);
  EXPECT_EQ(converted->token_types, reference->token_types);
  EXPECT_EQ(converted->bos, reference->bos);
}

TEST(TokenizerConvert, TiktokenGivesHuggingFacesVocabularyAndMerges) {
  PRONK_NEEDS_SHARED(folder, "tokenizer");
  const auto tiktoken = read_tokenizer(folder / "tokenizer.model");
  ASSERT_OK(tiktoken);
  const auto converted = to_gguf_tokenizer(*tiktoken, 128256);
  ASSERT_OK(converted);
  const auto reference = tokenizer_from_json(*read_file(folder / "llama31_tokenizer.json"));
  ASSERT_OK(reference);
  EXPECT_EQ(converted->merges, reference->merges);
  EXPECT_EQ(converted->gguf_pre, reference->gguf_pre);
  ASSERT_EQ(converted->tokens.size(), reference->tokens.size());
  for (std::size_t i = 0; i < 128000; ++i) ASSERT_EQ(converted->tokens[i], reference->tokens[i]);
  EXPECT_EQ(converted->tokens[128009], "<|eot_id|>");
  EXPECT_EQ(converted->eot, 128009);
  EXPECT_EQ(converted->add_bos, true);
}

TEST(TokenizerConvert, JsonSurvivesGgufAndBack) {
  PRONK_NEEDS_SHARED(folder, "tokenizer");
  const std::string text = *read_file(folder / "llama31_tokenizer.json");
  const auto first = tokenizer_from_json(text);
  ASSERT_OK(first);
  const auto written = tokenizer_to_json(*first);
  ASSERT_OK(written);
  const auto second = tokenizer_from_json(*written);
  ASSERT_OK(second);
  EXPECT_EQ(first->tokens, second->tokens);
  EXPECT_EQ(first->token_types, second->token_types);
  EXPECT_EQ(first->merges, second->merges);
}

TEST(TokenizerConvert, RefusesSplitRulesThatGgufCannotName) {
  const auto t = tokenizer_from_json(
      R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"x+"},"behavior":"Isolated","invert":false},"model":{"vocab":{"a":0},"merges":[]}})");
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code, Code::kUnsupported);
  EXPECT_NE(t.error().message.find("x+"), std::string::npos);
}

}  // namespace
}  // namespace pronk
