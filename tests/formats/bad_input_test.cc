// Truncated, corrupt and lying files: one clear line, no crash (the sanitizers watch), whatever the
// bytes.
#include <gmock/gmock.h>

#include <functional>

#include "base/zip.h"
#include "formats/expect_equal.h"
#include "formats/gguf_reader.h"
#include "formats/hf_config.h"
#include "formats/hf_reader.h"
#include "formats/llama2c_reader.h"
#include "formats/llama2c_tokenizer.h"
#include "formats/meta_reader.h"
#include "formats/pickle.h"
#include "formats/sentencepiece_file.h"
#include "formats/synthetic_files.h"
#include "formats/tiktoken_file.h"
#include "formats/tokenizer_json.h"
#include "support.h"

namespace pronk {
namespace {

using namespace testing;
using ::testing::ElementsAre;

std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

// A reader of whole files; it touches every row of what it accepts.
using Reader = std::function<Status(const std::string&)>;

void touch(const ModelSource& source) {
  std::vector<float> row;
  for (const auto& [name, tensor] : source.tensors) {
    row.resize(static_cast<std::size_t>(tensor.columns));
    for (const std::int64_t r : {std::int64_t{0}, tensor.rows - 1}) tensor.read_row(r, row.data());
  }
}

Status read_gguf_bytes(const std::string& bytes) {
  ModelSource source;
  const std::span<const std::byte> files[] = {as_bytes(bytes)};
  PRONK_TRY(read_gguf_files(files, {}, &source));
  touch(source);
  return Ok{};
}

Status read_llama2c_string(const std::string& bytes) {
  ModelSource source;
  PRONK_TRY(read_llama2c_bytes(as_bytes(bytes), &source));
  touch(source);
  return Ok{};
}

const Shape kSmall = {
    .layers = 1, .model_dim = 8, .ffn_dim = 8, .heads = 2, .kv_heads = 1, .vocab = 8};

Status read_safetensors_string(const std::string& bytes) {
  ModelSource source;
  source.config = make_synthetic(kSmall).config;
  const SafetensorsFile file = PRONK_TRY(parse_safetensors(as_bytes(bytes)));
  PRONK_TRY(add_safetensors(std::span(&file, 1), &source));
  touch(source);
  return Ok{};
}

Status read_meta_string(const std::string& bytes) {
  ModelSource source;
  MetaShard shard;
  shard.tensors = PRONK_TRY(read_torch_file(as_bytes(bytes)));
  const json::value params = PRONK_TRY(parse_json(meta_params(make_synthetic(kSmall).config)));
  PRONK_TRY(assemble_meta(params, std::span(&shard, 1), &source));
  touch(source);
  return Ok{};
}

struct Case {
  const char* name;
  Reader read;
  std::string bytes;
};

std::vector<Case> cases() {
  const SyntheticModel model = make_synthetic(kSmall);
  GgufBytes with_tokenizer = gguf(model);
  with_tokenizer.add("general.name", std::string("tiny"));
  return {
      {"gguf", read_gguf_bytes, with_tokenizer.bytes()},
      {"safetensors", read_safetensors_string, safetensors(arrays_of(model, DType::kF32, "F32"))},
      {"pth", read_meta_string, meta_files(model, {}).shards[0]},
      {"llama2c v0", read_llama2c_string, llama2c(model, 0)},
      {"llama2c v1", read_llama2c_string, llama2c(model, 1)},
      {"llama2c v2", read_llama2c_string, llama2c(model, 2)}};
}

TEST(BadInput, WholeFilesAreRead) {
  for (const Case& c : cases()) EXPECT_OK(c.read(c.bytes)) << c.name;
}

TEST(BadInput, EveryTruncationIsAnErrorOfOneLine) {
  for (const Case& c : cases())
    for (std::size_t size = 0; size < c.bytes.size(); ++size) {
      // A copy of exactly this size, so that a read past the end is seen.
      const std::string cut(c.bytes.data(), size);
      const Status status = c.read(cut);
      if (status) {  // only padding at the end may be missing
        const std::string rest = c.bytes.substr(size);
        ASSERT_EQ(rest.find_first_not_of('\0'), std::string::npos) << c.name << " cut at " << size;
        continue;
      }
      ASSERT_FALSE(status.error().message.empty());
      ASSERT_EQ(status.error().message.find('\n'), std::string::npos);
    }
}

TEST(BadInput, EveryByteChangedIsReadOrRefused) {
  for (const Case& c : cases())
    for (std::size_t at = 0; at < std::min<std::size_t>(c.bytes.size(), 6000); ++at)
      for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        std::string changed = c.bytes;
        changed[at] = static_cast<char>(value);
        (void)c.read(changed).has_value();  // either; the sanitizers watch
      }
}

TEST(BadInput, EveryEightBytesAsAHugeNumber) {
  for (const Case& c : cases())
    for (std::size_t at = 0; at + 8 <= std::min<std::size_t>(c.bytes.size(), 6000); ++at)
      for (const std::uint64_t value : {~std::uint64_t{0}, std::uint64_t{1} << 63,
                                        std::uint64_t{1} << 32, std::uint64_t{1} << 40}) {
        std::string changed = c.bytes;
        std::memcpy(&changed[at], &value, sizeof value);
        (void)c.read(changed).has_value();
      }
}

// ---- messages that a person acts on
// ---------------------------------------------------------------

void expect_message(const Status& status, Code code, const std::string& part) {
  ASSERT_FALSE(status.has_value()) << "expected: " << part;
  EXPECT_EQ(status.error().code, code) << status.error().message;
  EXPECT_NE(status.error().message.find(part), std::string::npos) << status.error().message;
}

TEST(GgufRefuses, OtherArchitecturesByName) {
  GgufBytes g;
  g.add("general.architecture", std::string("qwen3"));
  expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, "'qwen3'");
}

TEST(GgufRefuses, ExpertsAndSlidingWindows) {
  for (const char* key : {"llama.expert_count", "llama.attention.sliding_window"}) {
    GgufBytes g = gguf(make_synthetic(kSmall));
    g.add(key, std::uint32_t{8});
    expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, key);
  }
}

TEST(GgufRefuses, YarnByName) {
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.add("llama.rope.scaling.type", std::string("yarn"));
  expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, "'yarn'");
}

TEST(GgufRefuses, TypesThatAreNotBuilt) {
  GgufBytes g;
  add_gguf_config(make_synthetic(kSmall).config, &g);
  g.tensor("token_embd.weight", 8, 256, 19, std::string(8192, '\0'));
  const Status status = read_gguf_bytes(g.bytes());
  expect_message(status, Code::kUnsupported, "IQ1_S");
  expect_message(status, Code::kUnsupported, "Q4_K");
}

TEST(GgufRefuses, TypesOfPackedFilesAloneAreRefused) {
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.tensor("blk.0.attn_k.weight", 8, 128, ggml_from_dtype(DType::kF8Scaled),
           std::string(8 * 132, 0));
  const Status status = read_gguf_bytes(g.bytes());
  expect_message(status, Code::kUnsupported, "of type F8_SCALED");
  EXPECT_EQ(status.error().message.find("MXFP4, F8"), std::string::npos) << "among the supported";
}

TEST(GgufRefuses, TensorsOfAnotherArchitecture) {
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.tensor("blk.0.attn_q.bias", 1, 8, 0, std::string(32, '\0'));
  expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, "blk.0.attn_q.bias");
}

TEST(GgufRefuses, AVocabularyLargerThanTheEmbedding) {
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.add("tokenizer.ggml.model", std::string("llama"));
  g.key("tokenizer.ggml.tokens", 9);
  put<std::uint32_t>(&g.pairs, 8);
  put<std::uint64_t>(&g.pairs, 9);
  for (int i = 0; i < 9; ++i) g.text(&g.pairs, std::to_string(i));
  expect_message(read_gguf_bytes(g.bytes()), Code::kCorruptData, "9 tokens, the embedding 8 rows");
}

TEST(GgufRefuses, BigEndianAndVersionOne) {
  GgufBytes g;
  g.version = 0x03000000;
  expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, "big endian");
  g.version = 1;
  expect_message(read_gguf_bytes(g.bytes()), Code::kUnsupported, "version 1");
}

TEST(GgufRefuses, AMissingTensorByName) {
  SyntheticModel model = make_synthetic(kSmall);
  model.tensors.erase("model.layers.0.mlp.up_proj.weight");
  expect_message(read_gguf_bytes(gguf(model).bytes()), Code::kCorruptData,
                 "model.layers.0.mlp.up_proj.weight is missing");
}

TEST(GgufRefuses, AWrongShapeWithBothNumbers) {
  SyntheticModel model = make_synthetic(kSmall);
  GgufBytes g = gguf(model);
  SyntheticModel other = make_synthetic(
      {.layers = 1, .model_dim = 8, .ffn_dim = 16, .heads = 2, .kv_heads = 1, .vocab = 8});
  GgufBytes mixed = gguf(other);
  g.data = mixed.data, g.tensors = mixed.tensors;
  expect_message(read_gguf_bytes(g.bytes()), Code::kCorruptData,
                 "[16, 8], the configuration calls for [8, 8]");
}

// ---- config.json
// ----------------------------------------------------------------------------------

Status read_config_text(std::string text) {
  const json::value config = PRONK_TRY(parse_json(text));
  PRONK_TRY(read_hf_config(config));
  return Ok{};
}

std::string config_with(const std::string& from, const std::string& to) {
  std::string text = hf_config(make_synthetic(kSmall).config);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(HfConfig, RefusesWhatComputesSomethingElse) {
  const auto refuses = [](const std::string& from, const std::string& to, const std::string& part) {
    expect_message(read_config_text(config_with(from, to)), Code::kUnsupported, part);
  };
  refuses("LlamaForCausalLM", "MistralForCausalLM", "MistralForCausalLM");
  refuses(R"("model_type":"llama")", R"("model_type":"gemma")", "'gemma'");
  refuses("silu", "gelu", "'gelu'");
  refuses("{", R"({"attention_bias":true,)", "'attention_bias'");
  refuses("{", R"({"mlp_bias":true,)", "'mlp_bias'");
  refuses("{", R"({"sliding_window":4096,)", "'sliding_window'");
  refuses(R"("rope_type":"llama3")", R"("rope_type":"yarn")", "'yarn'");
}

TEST(HfConfig, SaysWhatStandsInThePlaceOfANumber) {
  for (const char* value : {"true", "\"8\"", "[]", "18446744073709551615"})
    expect_message(read_config_text(
                       config_with(R"("vocab_size":8)", fmt::format(R"("vocab_size":{})", value))),
                   Code::kCorruptData,
                   fmt::format("'vocab_size' is {}, a whole number is needed", value));
  expect_message(read_config_text(config_with(R"("vocab_size":8)", R"("vocab_size":null)")),
                 Code::kCorruptData, "'vocab_size' is missing");
}

TEST(HfConfig, AMissingRopeBaseIsAnError) {
  expect_message(read_config_text(config_with(R"("rope_theta":500000.0,)", "")), Code::kCorruptData,
                 "RoPE base is missing");
}

TEST(HfConfig, ReadsRopeParametersOfTransformers5) {
  std::string text = config_with(R"("rope_theta":500000.0,)", "");
  text = text.substr(0, text.find("\"rope_scaling\"")) +
         R"("rope_parameters":{"rope_type":"llama3","rope_theta":250000.0,"factor":32.0,
"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}})";
  const auto config = read_hf_config(*parse_json(text));
  ASSERT_OK(config);
  EXPECT_EQ(config->rope.theta, 250000);
  EXPECT_EQ(config->rope.scaling.factor, 32);
}

TEST(HfConfig, TwoBasesThatContradictAreAnError) {
  expect_message(
      read_config_text(config_with(
          R"("rope_theta":500000.0,)",
          R"("rope_theta":500000.0,"rope_parameters":{"rope_type":"default","rope_theta":1.0},)")),
      Code::kCorruptData, "'rope_theta' is 500000");
}

TEST(HfConfig, ReadsPublishedOnes) {
  PRONK_NEEDS_SHARED(folder, "hf_configs");
  struct Expected {
    const char* name;
    int layers, ffn_dim, head_dim, vocab;
    RopeScaling::Kind kind;
  };
  for (const Expected& e :
       {Expected{"llama31_8b_instruct", 32, 14336, 128, 128256, RopeScaling::Kind::kLlama3},
        Expected{"llama31_8b", 32, 14336, 128, 128256, RopeScaling::Kind::kLinear},
        Expected{"llama31_70b", 80, 28672, 128, 128262, RopeScaling::Kind::kNone},
        Expected{"llama32_1b", 16, 8192, 64, 128256, RopeScaling::Kind::kLlama3}}) {
    const auto source = read_model(folder / e.name, {.weights = false});
    ASSERT_OK(source);
    const LlamaConfig& c = (*source)->config;
    EXPECT_EQ(c.num_layers, e.layers);
    EXPECT_EQ(c.ffn_dim, e.ffn_dim);
    EXPECT_EQ(c.head_dim, e.head_dim);
    EXPECT_EQ(c.vocab_size, e.vocab);
    EXPECT_EQ(c.rope.scaling.kind, e.kind);
    EXPECT_EQ(c.rope.theta, 500000);
    EXPECT_EQ((*source)->generation.temperature, 0.6);
  }
  const auto instruct = read_model(folder / "llama31_8b_instruct", {.weights = false});
  EXPECT_EQ((*instruct)->tokenizer.end_tokens, (std::vector<TokenId>{128001, 128008, 128009}));
  ASSERT_EQ((*instruct)->chat_templates.size(), 1u);
  EXPECT_NE((*instruct)->chat_templates[0].text.find("<|start_header_id|>"), std::string::npos);
}

// ---- pickles
// --------------------------------------------------------------------------------------

Status parse_pickle(const std::string& text) {
  PRONK_TRY(Pickle::parse(as_bytes(text)));
  return Ok{};
}

TEST(Pickle, RefusesToCallAnythingByName) {
  expect_message(parse_pickle("cos\nsystem\n(X\x02\0\0\0lstR."), Code::kUnsupported, "'os.system'");
  expect_message(parse_pickle("c__builtin__\neval\n."), Code::kUnsupported, "'__builtin__.eval'");
  const std::string stack_global = std::string("\x80\x04\x8c\x05posix\x8c\x06system\x93.", 19);
  expect_message(parse_pickle(stack_global), Code::kUnsupported, "'posix.system'");
}

TEST(Pickle, RefusesOpcodesThatBuildObjects) {
  for (const char op : {'i', 'o', '\x81', '\x92', '\x82', 'P'})
    expect_message(parse_pickle(std::string("}(") + op + "a\nb\n."), Code::kUnsupported, "opcode");
}

TEST(Pickle, SurvivesListsThatContainThemselves) {
  EXPECT_OK(parse_pickle(std::string("]q\0h\0a.", 7)));
}

TEST(Pickle, SurvivesDoubledTuples) {  // 2^200 leaves when walked
  std::string text = ")";
  for (int i = 0; i < 200; ++i) text += std::string("q\0h\0\x86", 5);
  EXPECT_OK(parse_pickle(text + "."));
}

TEST(Pickle, RefusesMillionsOfValues) {
  expect_message(parse_pickle(std::string(3'000'000, '}') + "."), Code::kResourceExhausted,
                 "no checkpoint");
}

TEST(TorchFile, RefusesTheFormatBeforeZip) {
  expect_message(read_meta_string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."),
                 Code::kUnsupported, "before 1.6");
}

TEST(TorchFile, ReadsTorchtunesFile) {
  PRONK_NEEDS_SHARED(path, "models/torchtune_tiny/tiny_fair_checkpoint.pt");
  const auto file = MappedFile::open(path);
  ASSERT_OK(file);
  const auto tensors = read_torch_file((*file)->bytes());
  ASSERT_OK(tensors);
  EXPECT_EQ(tensors->size(), 21u);
  EXPECT_EQ(tensors->at("layers.1.feed_forward.w1.weight").rows, 256);
}

TEST(MetaFolder, AFeedForwardRuleMustGiveASize) {
  for (const char* rule : {R"("multiple_of":0)", R"("multiple_of":256,"ffn_dim_multiplier":1e300)",
                           R"("multiple_of":256,"ffn_dim_multiplier":-1)"}) {
    std::string params = meta_params(make_synthetic(kSmall).config);
    params.insert(1, fmt::format("{},", rule));
    ModelSource source;
    expect_message(assemble_meta(*parse_json(params), {}, &source), Code::kCorruptData,
                   "params.json: 'multiple_of'");
  }
}

TEST(MetaFolder, AMissingShardIsNamed) {
  const SyntheticModel model = make_synthetic({.layers = 1});
  const MetaFiles files = meta_files(model, {.num_shards = 4});
  TempFolder folder("meta_missing");
  folder.write("params.json", meta_params(model.config));
  for (const int i : {0, 1, 3})
    folder.write(fmt::format("consolidated.0{}.pth", i), files.shards[0]);
  const auto source = read_model(folder.path());
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Code::kNotFound);
  EXPECT_NE(source.error().message.find("consolidated.02.pth"), std::string::npos);
}

TEST(MetaFolder, MissingFp8ScalesAreNamed) {
  const SyntheticModel model = make_synthetic({.layers = 3});
  TempFolder folder("meta_scales");
  folder.write("params.json", "{\"model\":" + meta_params(model.config) + "}");
  folder.write("consolidated.00.pth", meta_files(model, {.fp8 = true}).shards[0]);
  const auto source = read_model(folder.path());
  ASSERT_FALSE(source);
  EXPECT_NE(source.error().message.find("fp8_scales_0.pt has no '1_feed_forward.w1_0'"),
            std::string::npos)
      << source.error().message;
}

// ---- tokenizer files
// ------------------------------------------------------------------------------

// ---- what the reader of a message can do
// -------------------------------------------------------

TEST(ReadModel, DamageComesWithAdvice) {
  TempFolder folder("advice");
  const std::string whole = gguf(make_synthetic(kSmall)).bytes();
  const std::string other_place = whole.substr(0, 8) + std::string(16, '\xff') + whole.substr(24);
  for (const auto& [name, bytes] :
       std::vector<std::pair<std::string, std::string>>{{"empty.gguf", ""},
                                                        {"text.gguf", "<html>404</html>"},
                                                        {"short.bin", "abcdefgh"},
                                                        {"cut.pronk", "PRO"},
                                                        {"cut.gguf", whole.substr(0, 40)},
                                                        {"counts.gguf", other_place}}) {
    const auto source = read_model(folder.write(name, bytes));
    ASSERT_FALSE(source) << name;
    EXPECT_EQ(source.error().code, Code::kCorruptData) << source.error().message;
    EXPECT_NE(source.error().message.find("; "), std::string::npos) << source.error().message;
  }
}

TEST(ReadModel, PassesOverImpossibleSamplingDefaults) {
  TempFolder folder("defaults");
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.add("general.sampling.temp", -3.0f);
  g.add("general.sampling.top_p", 0.5f);
  g.add("general.sampling.min_p", std::numeric_limits<float>::quiet_NaN());
  g.add("general.sampling.penalty_repeat", 1e9f);
  const auto source = read_model(folder.write("m.gguf", g.bytes()));
  ASSERT_OK(source);
  EXPECT_EQ((*source)->generation.temperature, std::nullopt);
  EXPECT_EQ((*source)->generation.top_p, 0.5);
  EXPECT_EQ((*source)->generation.min_p, std::nullopt);
  EXPECT_EQ((*source)->generation.repetition_penalty, std::nullopt);
  EXPECT_EQ((*source)->notes.size(), 3u);
}

TEST(ReadModel, TheEmbeddingDecidesHowManyTokensThereAre) {
  TempFolder folder("vocabulary");
  GgufBytes g = gguf(make_synthetic(kSmall));
  g.add("llama.vocab_size", std::uint32_t{9});
  const auto source = read_model(folder.write("m.gguf", g.bytes()));
  ASSERT_OK(source);
  EXPECT_EQ((*source)->config.vocab_size, 8);
  EXPECT_THAT((*source)->notes,
              ElementsAre("ignored llama.vocab_size 9: the embedding has 8 rows"));
}

TEST(TokenizerFiles, TruncatedOnesNeverCrash) {
  SentencePieceFile spm;
  spm.pieces = {{"<unk>", 0, TokenType::kUnknown}, {"a", -1}, {"\xe2\x96\x81", -2}};
  const std::string json =
      R"({"added_tokens":[{"id":2,"content":"<e>","special":true}],"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"a":0,"b":1},"merges":["a b"]}})";
  const std::string whole[] = {write_sentencepiece(spm), "YQ== 0\nYg== 1\n", json};
  for (const std::string& text : whole)
    for (std::size_t size = 0; size <= text.size(); ++size) {
      const std::string cut(text.data(), size);
      (void)parse_sentencepiece(cut).has_value();
      (void)parse_tiktoken(cut).has_value();
      (void)tokenizer_from_json(cut).has_value();
      (void)parse_llama2c_tokens(cut).has_value();
    }
}

}  // namespace
}  // namespace pronk
