// Packed files: what they say of a model is said back without loss; bad ones are one clear line.
#include "formats/packed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "formats/expect_equal.h"
#include "formats/gguf_reader.h"
#include "formats/synthetic_files.h"
#include "support.h"

namespace pronk {
namespace {

using namespace testing;
namespace fs = std::filesystem;

const Shape kSmall = {
    .layers = 1, .model_dim = 8, .ffn_dim = 8, .heads = 2, .kv_heads = 1, .vocab = 40};

// A model that says something in every field.
ModelSource full_source(const SyntheticModel& model, const std::string& file) {
  ModelSource s;
  const std::span<const std::byte> files[] = {std::as_bytes(std::span(file))};
  EXPECT_OK(read_gguf_files(files, {}, &s));
  s.config = model.config;
  s.config.name = "tiny";
  s.config.norm_eps = 1.0 / 3;
  s.config.rope.theta = 1e6 / 7;
  s.config.rope.divisors = {1, 0.1f};
  TokenizerSource& t = s.tokenizer;
  t.kind = TokenizerSource::Kind::kHuggingFaceJson;
  t.bytes = std::string("{\"a\0b\"}\xff", 8);
  t.gguf_model = "gpt2", t.gguf_pre = "smollm", t.tokenizer_config_json = "{}";
  t.tokens = {"a", "", "\xff"}, t.merges = {"a b"};
  t.scores = {0.1f, -1, 2}, t.token_types = {1, 3, 6};
  t.bos = 1, t.eos = 2, t.eot = 3, t.eom = 4, t.unknown = 5, t.padding = 6;
  t.end_tokens = {7, 8};
  t.add_bos = true, t.add_eos = false, t.add_space_prefix = true;
  t.remove_extra_whitespaces = false;
  s.chat_templates = {{"tool_use", "{{ tools }}"}, {"default", "{{ messages }}"}};
  s.generation = {.temperature = 0.1,
                  .top_p = 1.0 / 7,
                  .min_p = 0.2,
                  .repetition_penalty = 1.1,
                  .top_k = 40,
                  .do_sample = false};
  s.licence = "a licence\nof two lines";
  return s;
}

class PackedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("pronk_packed_file_" + std::to_string(::getpid()));
    fs::remove(path_);
  }
  void TearDown() override { fs::remove_all(path_); }

  std::string packed_bytes() {
    EXPECT_OK(write_packed(full_source(model_, file_), path_));
    return *read_file(path_);
  }

  const SyntheticModel model_ = make_synthetic(kSmall);
  const std::string file_ = gguf(model_).bytes();
  fs::path path_;
};

void expect_same_tokenizer(const TokenizerSource& a, const TokenizerSource& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.gguf_model, b.gguf_model);
  EXPECT_EQ(a.gguf_pre, b.gguf_pre);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.scores, b.scores);
  EXPECT_EQ(a.token_types, b.token_types);
  EXPECT_EQ(a.merges, b.merges);
  EXPECT_EQ((std::vector{a.bos, a.eos, a.eot, a.eom, a.unknown, a.padding}),
            (std::vector{b.bos, b.eos, b.eot, b.eom, b.unknown, b.padding}));
  EXPECT_EQ(a.end_tokens, b.end_tokens);
  EXPECT_EQ((std::vector{a.add_bos, a.add_eos, a.add_space_prefix, a.remove_extra_whitespaces}),
            (std::vector{b.add_bos, b.add_eos, b.add_space_prefix, b.remove_extra_whitespaces}));
  EXPECT_EQ(a.tokenizer_config_json, b.tokenizer_config_json);
}

TEST_F(PackedFile, SaysEverythingBack) {
  const ModelSource before = full_source(model_, file_);
  ASSERT_OK(write_packed(before, path_));
  const auto after = read_model(path_);
  ASSERT_OK(after);
  const ModelSource& s = **after;
  expect_equal(s, model_);
  EXPECT_EQ(s.format, "pronk packed v1");
  EXPECT_EQ(s.config.name, "tiny");
  EXPECT_EQ(s.config.norm_eps, before.config.norm_eps);
  EXPECT_EQ(s.config.max_context, before.config.max_context);
  EXPECT_EQ(s.config.rope.theta, before.config.rope.theta);
  EXPECT_EQ(s.config.rope.scaling, before.config.rope.scaling);
  EXPECT_EQ(s.config.rope.divisors, before.config.rope.divisors);
  expect_same_tokenizer(s.tokenizer, before.tokenizer);
  ASSERT_EQ(s.chat_templates.size(), 2u);
  EXPECT_EQ(s.chat_templates[0].name, "tool_use");
  EXPECT_EQ(s.chat_templates[1].text, "{{ messages }}");
  EXPECT_EQ(s.generation.temperature, 0.1);
  EXPECT_EQ(s.generation.top_p, 1.0 / 7);
  EXPECT_EQ(s.generation.min_p, 0.2);
  EXPECT_EQ(s.generation.repetition_penalty, 1.1);
  EXPECT_EQ(s.generation.top_k, 40);
  EXPECT_EQ(s.generation.do_sample, false);
  EXPECT_EQ(s.licence, before.licence);
  expect_same_tokenizer(*read_tokenizer(path_), before.tokenizer);
}

TEST_F(PackedFile, IsTheModelOfAFolderThatHoldsNoOther) {
  const fs::path& folder = path_;
  fs::create_directory(folder);
  EXPECT_EQ(read_model(folder).error().code, Code::kNotFound);
  ASSERT_OK(write_packed(full_source(model_, file_), folder / "tiny.pronk"));
  const auto packed = read_model(folder);
  ASSERT_OK(packed);
  EXPECT_EQ((*packed)->format, "pronk packed v1");
  expect_same_tokenizer(*read_tokenizer(folder), full_source(model_, file_).tokenizer);

  ASSERT_OK(write_packed(full_source(model_, file_), folder / "another.pronk"));
  EXPECT_THAT(read_model(folder).error().message,
              ::testing::HasSubstr("2 models; give one of them"));

  ASSERT_OK(write_file(folder / "tiny.gguf", file_));
  const auto original = read_model(folder);
  ASSERT_OK(original);
  EXPECT_EQ((*original)->format, "GGUF v3") << "a copy is not asked for by its folder";
}

TEST_F(PackedFile, AbsentThingsStayAbsent) {
  ModelSource plain = full_source(model_, file_);
  plain.tokenizer = {};
  plain.chat_templates.clear();
  plain.generation = {};
  plain.config.rope.divisors.clear();
  ASSERT_OK(write_packed(plain, path_));
  const auto after = read_model(path_);
  ASSERT_OK(after);
  expect_same_tokenizer((*after)->tokenizer, {});
  EXPECT_TRUE((*after)->chat_templates.empty());
  EXPECT_FALSE((*after)->generation.temperature || (*after)->generation.do_sample);
  EXPECT_TRUE((*after)->config.rope.divisors.empty());
}

// At an address that is a multiple of 64, and ends where its memory ends.
Status read_bytes(std::string_view bytes) {
  const std::unique_ptr<std::byte[], void (*)(std::byte*)> copy(
      new (std::align_val_t{64}) std::byte[bytes.size() + 1],
      [](std::byte* p) { operator delete[](p, std::align_val_t{64}); });
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  ModelSource source;
  PRONK_TRY(read_packed_bytes({copy.get(), bytes.size()}, {}, &source));
  std::vector<float> row;
  for (const auto& [name, tensor] : source.tensors) {
    row.resize(static_cast<std::size_t>(tensor.columns));
    for (const std::int64_t r : {std::int64_t{0}, tensor.rows - 1}) tensor.read_row(r, row.data());
  }
  return Ok{};
}

void expect_refused(std::string_view bytes, Code code, const std::string& part) {
  const Status status = read_bytes(bytes);
  ASSERT_FALSE(status.has_value()) << "expected: " << part;
  EXPECT_EQ(status.error().code, code) << status.error().message;
  EXPECT_NE(status.error().message.find(part), std::string::npos) << status.error().message;
  EXPECT_EQ(status.error().message.find('\n'), std::string::npos);
}

TEST_F(PackedFile, EveryTruncationIsRefused) {
  const std::string whole = packed_bytes();
  ASSERT_OK(read_bytes(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    expect_refused(std::string_view(whole).substr(0, size), Code::kCorruptData, "");
  expect_refused(whole + "x", Code::kCorruptData, "cut short or damaged");
}

TEST_F(PackedFile, OtherVersionsAndLayoutsAreRefused) {
  const std::string whole = packed_bytes();
  for (const char version : {char{0}, char{2}, char{99}}) {
    std::string other = whole;
    other[8] = version;
    expect_refused(other, Code::kUnsupported, "pack the model again");
    other = whole;
    other[12] = version;
    expect_refused(other, Code::kUnsupported, "panel layout");
  }
  std::string other = whole;
  other[0] = 'X';
  expect_refused(other, Code::kCorruptData, "does not begin");
  other = whole;
  other[40] = 1;
  expect_refused(other, Code::kCorruptData, "not zero");
}

// Each number of 8 bytes in turn lies, and each byte: refused or read within the file.
TEST_F(PackedFile, LyingBytesAreReadOrRefused) {
  const std::string whole = packed_bytes();
  const std::size_t head = std::min<std::size_t>(whole.size(), 6000);
  int refused = 0;
  for (std::size_t at = 64; at + 8 <= head; ++at)
    for (const std::uint64_t value :
         {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{1} << 40, std::uint64_t{65}}) {
      std::string lying = whole;
      std::memcpy(&lying[at], &value, sizeof value);
      refused += !read_bytes(lying);
    }
  EXPECT_GT(refused, 1000);
  for (std::size_t at = 0; at < head; ++at)
    for (const int value : {0x00, 0x7f, 0xff}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      (void)read_bytes(changed).has_value();
    }
}

TEST_F(PackedFile, LeavesWhatIsThereAlone) {
  ASSERT_OK(write_file(path_, "mine"));
  const Status status = write_packed(full_source(model_, file_), path_);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_EQ(*read_file(path_), "mine");
}

TEST_F(PackedFile, AFullDiskLeavesNothing) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 4096, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = write_packed(full_source(model_, file_), path_);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kResourceExhausted) << status.error().message;
  for (const auto& entry : fs::directory_iterator(path_.parent_path()))
    EXPECT_EQ(entry.path().string().find(path_.string()), std::string::npos) << entry.path();
}

TEST_F(PackedFile, Fp8OfOddScalesIsRefusedWithAWayOn) {
  ModelSource source = full_source(model_, file_);
  const float scale = 2;
  TensorSource& t = source.tensors.at("model.layers.0.mlp.up_proj.weight");
  t.dtype = DType::kF8E4M3;
  t.pieces[0].scales = &scale;
  const Status status = write_packed(source, path_);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnsupported);
  EXPECT_NE(status.error().message.find("--type bf16"), std::string::npos);
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace pronk
