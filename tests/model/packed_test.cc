// A packed model computes the same bits as the model that it was made of.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "formats/model_writer.h"
#include "formats/packed_file.h"
#include "kernels/pack.h"
#include "model/first_logits.h"
#include "model/runner.h"
#include "model/synthetic_model.h"
#include "support.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

// What cannot be quantized here is blocks of random bits.
std::shared_ptr<ModelSource> model_of(const LlamaConfig& config, DType type) {
  if (can_quantize(type)) return synthetic_model(config, type);
  auto source = synthetic_model(config, DType::kF32);
  for (auto& [name, tensor] : source->tensors) {
    if (tensor.rows == 1) continue;
    tensor.dtype = type;
    const std::int64_t width = row_bytes(type, tensor.columns), size = tensor.rows * width;
    auto bytes = std::make_unique<std::byte[]>(static_cast<std::size_t>(size));
    for (std::int64_t i = 0; i < size; ++i)
      bytes[static_cast<std::size_t>(i)] = static_cast<std::byte>(
          random_bits(std::hash<std::string>()(name), static_cast<std::uint64_t>(i)));
    tensor.pieces = {TensorPiece{0, tensor.rows, 0, tensor.columns, bytes.get(), width}};
    source->owned.push_back(std::move(bytes));
  }
  return source;
}

// Bit for bit: NaN are equal to themselves.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::vector<float> row_of(const Linear& w, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(w.columns));
  w.read_row(row, values.data());
  return values;
}

std::vector<std::byte> panels_of(const Linear& w) {
  return {w.panels.get(), w.panels.get() + w.packed_bytes()};
}

class PackedTypes : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() /
            ("pronk_packed_" + std::to_string(::getpid()) + "_" + std::to_string(GetParam()));
    fs::remove(path_);
  }
  void TearDown() override { fs::remove(path_); }

  DType type() const { return static_cast<DType>(GetParam()); }

  void expect_same_weights(const Model& packed, const Model& plain) {
    std::vector<Linear> expected;
    const auto collect = [&](const auto& w) {
      if constexpr (requires { w.panels; }) expected.push_back(w);
    };
    LlamaWeights plain_weights = plain.weights(), packed_weights = packed.weights();
    plain_weights.for_each_tensor(collect);
    std::size_t next = 0;
    const auto compare = [&](const auto& w) {
      if constexpr (requires { w.panels; }) {
        const Linear& e = expected[next++];
        for (std::int64_t r = 0; r < w.rows; ++r)
          ASSERT_TRUE(same_bits(row_of(w, r), row_of(e, r))) << w.name << " row " << r;
        if (w.panels && w.packed_type == e.packed_type) {
          EXPECT_EQ(reinterpret_cast<std::uintptr_t>(w.panels.get()) % 64, 0u) << w.name;
          EXPECT_TRUE(same_bits(panels_of(w), panels_of(e))) << w.name;
        }
      }
    };
    packed_weights.for_each_tensor(compare);
  }

  void expect_same(const LlamaConfig& config) {
    const auto plain = model_of(config, type());
    fs::remove(path_);
    ASSERT_OK(write_packed(*plain, path_));
    const auto packed = read_model(path_);
    ASSERT_OK(packed);
    for (const Precision p : {Precision::kFast, Precision::kHigh, Precision::kFp32}) {
      const auto a = load(*packed, {.precision = p}), b = load(plain, {.precision = p});
      expect_same_weights(*a, *b);
      if (!can_quantize(type())) continue;  // random blocks may give NaN
      EXPECT_EQ(logits_of(a), logits_of(b));
    }
  }

  fs::path path_;
};

TEST_P(PackedTypes, GiveTheSameBits) {
  LlamaConfig config = wide_config();
  for (const bool tied : {false, true}) {
    config.tied_output = tied;
    expect_same(config);
  }
}

TEST_P(PackedTypes, MayHaveAnOddNumberOfColumns) {
  if (info(type()).block_size > 1) return;
  LlamaConfig config = small_config();
  config.model_dim = 63;
  config.ffn_dim = 65;
  expect_same(config);
}

INSTANTIATE_TEST_SUITE_P(Types, PackedTypes, testing::Range(0, kNumDTypes),
                         [](const testing::TestParamInfo<int>& parameter) {
                           return std::string(
                               pronk::info(static_cast<DType>(parameter.param)).name);
                         });

TEST(Packed, LoadsWithoutTakingMemoryForMatrices) {
  const fs::path path = fs::temp_directory_path() / ("pronk_packed_" + std::to_string(::getpid()));
  LlamaConfig config = small_config();
  config.tied_output = true;
  ASSERT_OK(write_packed(*synthetic_model(config, DType::kQ8_0), path));
  const auto model = Model::load(path);
  ASSERT_OK(model);
  const auto bytes = (*model)->source().files[0]->bytes();
  LlamaWeights weights = (*model)->weights();
  const auto check = [&](const auto& w) {
    if constexpr (requires { w.panels; }) {
      if (!w.packed_type) return;  // the embedding: rows out of the output's panels
      EXPECT_GE(w.panels.get(), bytes.data()) << w.name;
      EXPECT_LE(w.panels.get() + w.packed_bytes(), bytes.data() + bytes.size()) << w.name;
    }
  };
  weights.for_each_tensor(check);
  EXPECT_LT(bytes.size(), static_cast<std::size_t>((*model)->weight_bytes()) + 8192)
      << "a tied embedding stands once";
  fs::remove(path);
}

// Weights that a step reads from the file itself: the panels of a packed file, rows that are packed
// on their second use, or row by row for fp32, where a model is too large to be kept as floats.
enum class Reading { kPanels, kRowsToPack, kRowByRow };
class FileUnderAStep : public testing::TestWithParam<Reading> {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("pronk_under_" + std::to_string(::getpid()));
    fs::remove(path_);
    const auto source = synthetic_model(big_config(), DType::kF32);
    auto read = std::make_shared<ModelSource>();
    if (GetParam() == Reading::kRowsToPack) {
      ASSERT_OK(write_gguf(*source, as_floats(*source), path_));
      read = *read_model(path_);
    } else {
      ASSERT_OK(write_packed(*source, path_));
      ASSERT_OK(read_packed(path_, {}, read.get()));
    }
    // A tensor that nobody reads makes the model that large.
    const bool row_by_row = GetParam() == Reading::kRowByRow;
    if (row_by_row) read->tensors["more"] = {.name = "more", .rows = 1 << 20, .columns = 1 << 10};
    const auto model =
        Model::from_source(read, {.precision = row_by_row ? Precision::kFp32 : Precision::kFast,
                                  .pack_on_second_use = true});
    ASSERT_OK(model);
    EXPECT_EQ((*model)->bytes_to_pack() > 0, GetParam() == Reading::kRowsToPack);
    runner_ = *make_cpu_runner(*model, {.num_threads = 2, .num_kv_pages = 1});
    ASSERT_OK(step());
  }
  void TearDown() override { fs::remove(path_); }

  static LlamaConfig big_config() {
    LlamaConfig c = small_config();
    c.vocab_size = 4000;  // a megabyte of embedding
    return c;
  }

  static WritePlan as_floats(const ModelSource& source) {
    WritePlan plan;
    for (const auto& [name, tensor] : source.tensors) plan.tensors.push_back({&tensor});
    plan.encode = [](const OutputTensor& o, std::int64_t row, std::byte* out) -> Status {
      o.tensor->read_row(row, reinterpret_cast<float*>(out));
      return Ok{};
    };
    return plan;
  }

  Status step() {
    const std::vector<TokenId> tokens = {3999};
    const std::vector<int> rows = {0};
    const BatchSequence sequence{0, 1, 0, rows};
    PRONK_TRY(runner_->step({tokens, rows, {&sequence, 1}, rows}));
    return Ok{};
  }

  void expect_noticed() {
    for (int i = 0; i < 2; ++i) {  // and it stays noticed
      const Status status = step();
      ASSERT_FALSE(status.has_value());
      EXPECT_EQ(status.error().code, Code::kCorruptData);
      EXPECT_NE(status.error().message.find("was changed while it was in use"), std::string::npos)
          << status.error().message;
    }
  }

  fs::path path_;
  std::unique_ptr<Runner> runner_;
};

TEST_P(FileUnderAStep, IsCut) {
  fs::resize_file(path_, 5000);
  expect_noticed();
}

TEST_P(FileUnderAStep, IsWrittenOver) {
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-100, std::ios::end);
  file.put('x');
  file.close();
  expect_noticed();
}

TEST_P(FileUnderAStep, IsReplaced) {
  const fs::path other = path_.string() + ".new";
  fs::copy_file(path_, other, fs::copy_options::overwrite_existing);
  fs::rename(other, path_);
  expect_noticed();
}

TEST_P(FileUnderAStep, IsDeletedAndStaysReadable) {
  fs::remove(path_);
  EXPECT_OK(step());
}

std::string name_of(const testing::TestParamInfo<Reading>& parameter) {
  constexpr const char* kNames[] = {"Panels", "RowsToPack", "RowByRow"};
  return kNames[static_cast<std::size_t>(parameter.param)];
}
INSTANTIATE_TEST_SUITE_P(Reading, FileUnderAStep,
                         testing::Values(Reading::kPanels, Reading::kRowsToPack,
                                         Reading::kRowByRow),
                         name_of);

TEST(Packed, CheckFindsAnyChangedByte) {
  const fs::path path = fs::temp_directory_path() / ("pronk_packed_" + std::to_string(::getpid()));
  ASSERT_OK(write_packed(*synthetic_model(small_config(), DType::kQ4_0), path));
  EXPECT_OK(Model::load(path, {.check = true}));
  const auto size = static_cast<std::int64_t>(fs::file_size(path));
  for (const std::int64_t at : {size - 1, size - 40, size / 2}) {  // the sum, and weights
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
    file.close();
    EXPECT_OK(Model::load(path)) << "without --check weights are not read";
    const auto found = Model::load(path, {.check = true});
    ASSERT_FALSE(found.has_value()) << "byte " << at;
    EXPECT_EQ(found.error().code, Code::kCorruptData);
    EXPECT_NE(found.error().message.find("SHA-256"), std::string::npos) << found.error().message;
    std::fstream back(path, std::ios::in | std::ios::out | std::ios::binary);
    back.seekp(at);
    back.put(byte);
  }
  fs::remove(path);
}

}  // namespace
}  // namespace pronk
