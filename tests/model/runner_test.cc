// The laws that a Runner keeps: nothing but a token's own past decides its logits, and failures
// name what failed.
#include "model/runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "model/limits.h"
#include "model/plan.h"
#include "model/synthetic_model.h"
#include "support.h"

namespace pronk {
namespace {

std::shared_ptr<const Model> load(std::shared_ptr<ModelSource> source, Precision precision) {
  auto model = Model::from_source(std::move(source), {.precision = precision});
  EXPECT_OK(model);
  return *model;
}

std::vector<TokenId> some_tokens(int n, int seed = 1) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < n; ++i)
    tokens.push_back(static_cast<TokenId>(
        random_bits(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(i)) % 70));
  return tokens;
}

// A sequence that reads its tokens in pieces; its logits are collected row by row.
struct Reader {
  std::vector<TokenId> tokens;
  std::vector<int> pages;
  int done = 0;
  std::vector<std::vector<float>> logits;
};

// One step: the next counts[i] tokens of each reader, logits of all of them.
Status read(Runner& runner, std::vector<Reader*> readers, std::vector<int> counts) {
  std::vector<TokenId> tokens;
  std::vector<int> positions;
  std::vector<BatchSequence> sequences;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    Reader& r = *readers[i];
    sequences.push_back({static_cast<int>(tokens.size()), counts[i], r.done, r.pages});
    for (int t = 0; t < counts[i]; ++t, ++r.done) {
      tokens.push_back(r.tokens[static_cast<std::size_t>(r.done)]);
      positions.push_back(r.done);
    }
  }
  std::vector<int> rows(tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  const Batch batch{tokens, positions, sequences, rows};
  const std::span<float> logits = PRONK_TRY(runner.step(batch));
  const std::size_t vocab = logits.size() / rows.size();
  for (std::size_t i = 0, row = 0; i < readers.size(); ++i)
    for (int t = 0; t < counts[i]; ++t, ++row)
      readers[i]->logits.emplace_back(
          logits.begin() + static_cast<std::ptrdiff_t>(row * vocab),
          logits.begin() + static_cast<std::ptrdiff_t>((row + 1) * vocab));
  return runner.check(batch, logits);
}

std::unique_ptr<Runner> runner_of(const std::shared_ptr<const Model>& model, int threads,
                                  CacheType cache_type = CacheType::kBF16) {
  auto runner = make_cpu_runner(model, {.num_threads = threads,
                                        .num_kv_pages = 64,
                                        .max_batch_tokens = 700,
                                        .max_logit_rows = 700,
                                        .cache_type = cache_type});
  EXPECT_OK(runner);
  return std::move(*runner);
}

std::vector<int> pages_from(int first, int count) {
  std::vector<int> pages(static_cast<std::size_t>(count));
  std::iota(pages.begin(), pages.end(), first);
  return pages;
}

// 620 tokens lie in two splits of keys.
constexpr int kLength = 620;
constexpr int kNumPages = (kLength + kKvPageTokens - 1) / kKvPageTokens;

struct Computing {
  Precision precision;
  DType weights;
  CacheType cache_type = CacheType::kBF16;
};
class RunnerLaws : public testing::TestWithParam<Computing> {};

TEST_P(RunnerLaws, ThreadsChunksNeighboursAndPagesChangeNoBit) {
  const auto [precision, weights, cache_type] = GetParam();
  const auto model = load(synthetic_model(small_config(), weights), precision);
  Reader whole{some_tokens(kLength), pages_from(0, kNumPages), 0, {}};
  ASSERT_OK(read(*runner_of(model, 1, cache_type), {&whole}, {kLength}));

  for (int threads : {1, 2, 3}) {
    const auto runner = runner_of(model, threads, cache_type);
    Reader chunked{whole.tokens, pages_from(3, kNumPages), 0, {}};
    std::reverse(chunked.pages.begin(), chunked.pages.end());
    Reader other{some_tokens(300, 2), pages_from(40, 12), 0, {}};
    ASSERT_OK(read(*runner, {&chunked}, {33}));                // a chunk that ends within a page
    ASSERT_OK(read(*runner, {&other, &chunked}, {100, 250}));  // beside another sequence
    ASSERT_OK(read(*runner, {&chunked, &other}, {1, 1}));      // as in decoding
    ASSERT_OK(read(*runner, {&chunked}, {kLength - 284 - 40}));
    while (chunked.done < kLength) ASSERT_OK(read(*runner, {&chunked}, {1}));
    EXPECT_EQ(chunked.logits, whole.logits) << threads << " threads";

    // Reading on over another sequence's pages: what a prefix cache does.
    Reader reuse{whole.tokens, chunked.pages, 16 * kKvPageTokens, {}};
    reuse.pages.erase(reuse.pages.begin() + 16, reuse.pages.end());
    for (int page : pages_from(52, kNumPages - 16)) reuse.pages.push_back(page);
    ASSERT_OK(read(*runner, {&reuse}, {kLength - reuse.done}));
    EXPECT_TRUE(std::equal(reuse.logits.begin(), reuse.logits.end(),
                           whole.logits.begin() + 16 * kKvPageTokens));
  }
}

TEST_P(RunnerLaws, WhenWeightsArePackedChangesNoBit) {
  const auto [precision, weights, cache_type] = GetParam();
  const auto source = synthetic_model(small_config(), weights);
  Reader whole{some_tokens(100), pages_from(0, 4), 0, {}};
  ASSERT_OK(read(*runner_of(load(source, precision), 1, cache_type), {&whole}, {100}));

  const auto later =
      Model::from_source(source, {.precision = precision, .pack_on_second_use = true});
  ASSERT_OK(later);
  EXPECT_GT((*later)->bytes_to_pack(), 0);
  Reader other{whole.tokens, pages_from(0, 4), 0, {}}, chunked = other;
  const auto read_chunks = [&, cache = cache_type](Reader* reader) {  // read, pack, find packed
    const auto runner = runner_of(*later, 2, cache);
    for (const int count : {33, 1, 66}) ASSERT_OK(read(*runner, {reader}, {count}));
  };
  std::thread beside([&] { read_chunks(&other); });  // another engine with the same weights
  read_chunks(&chunked);
  beside.join();
  EXPECT_EQ(chunked.logits, whole.logits);
  EXPECT_EQ(other.logits, whole.logits);
}

// A sequence whose token 3 has a NaN beside one without: in one step, and later in its pages.
TEST_P(RunnerLaws, ANanStaysInItsOwnSequence) {
  const auto [precision, weights, cache_type] = GetParam();
  const auto source = synthetic_model(small_config(), weights);
  const std::string name = "model.embed_tokens";
  source->tensors.erase(name + ".weight");
  add_tensor(*source, name, source->config.vocab_size, source->config.model_dim, DType::kF32);
  const TensorPiece& piece = source->tensors.at(name + ".weight").pieces[0];
  const float nan = std::nanf("");
  std::memcpy(const_cast<std::byte*>(piece.data) + 3 * piece.row_stride, &nan, 4);
  const auto model = load(source, precision);

  Reader alone{some_tokens(100), pages_from(0, 4), 0, {}};
  std::replace(alone.tokens.begin(), alone.tokens.end(), 3, 4);
  Reader beside = alone, after = alone, bad = alone;
  ASSERT_OK(read(*runner_of(model, 1, cache_type), {&alone}, {100}));
  const auto runner = runner_of(model, 2, cache_type);
  bad.tokens[40] = 3;
  bad.pages = pages_from(8, 4);
  EXPECT_FALSE(read(*runner, {&bad, &beside}, {60, 60}));
  EXPECT_FALSE(read(*runner, {&beside, &bad}, {40, 40}));
  EXPECT_EQ(beside.logits, alone.logits);
  EXPECT_TRUE(std::isnan(bad.logits[40][0]) && std::isnan(bad.logits[99][69]));
  after.pages = bad.pages;
  ASSERT_OK(read(*runner, {&after}, {37}));
  ASSERT_OK(read(*runner, {&after}, {63}));
  EXPECT_EQ(after.logits, alone.logits);
}

TEST_P(RunnerLaws, ACopiedPageIsAsGoodAsItsOriginal) {
  const auto [precision, weights, cache_type] = GetParam();
  const auto runner =
      runner_of(load(synthetic_model(small_config(), weights), precision), 2, cache_type);
  Reader original{some_tokens(60), {5, 7}, 0, {}};
  ASSERT_OK(read(*runner, {&original}, {60}));
  runner->copy_page(7, 2);
  Reader copy{original.tokens, {5, 2}, 45, {}};
  ASSERT_OK(read(*runner, {&copy}, {15}));
  EXPECT_TRUE(std::equal(copy.logits.begin(), copy.logits.end(), original.logits.begin() + 45));
}

INSTANTIATE_TEST_SUITE_P(
    Precisions, RunnerLaws,
    testing::Values(Computing{Precision::kFp32, DType::kF32},
                    Computing{Precision::kFp32, DType::kQ8_0},
                    Computing{Precision::kFast, DType::kQ8_0},
                    Computing{Precision::kHigh, DType::kQ4_0},
                    Computing{Precision::kFast, DType::kBF16},
                    Computing{Precision::kFast, DType::kQ4_0, CacheType::kInt8},
                    Computing{Precision::kHigh, DType::kQ8_0, CacheType::kInt8}));

struct Difference {
  double worst = 0, root_mean_square = 0;
};
Difference difference(const std::vector<std::vector<float>>& a,
                      const std::vector<std::vector<float>>& b) {
  Difference out;
  double squares = 0, count = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j) {
      const double d = std::abs(double{a[i][j]} - b[i][j]);
      out.worst = std::max(out.worst, d);
      squares += d * d;
      count += 1;
    }
  out.root_mean_square = std::sqrt(squares / count);
  return out;
}

TEST(Runner, FasterPrecisionsStayNearTheExactOne) {
  const auto source = synthetic_model(small_config(), DType::kQ8_0);
  const auto logits = [&](Precision p, CacheType cache_type = CacheType::kBF16) {
    Reader r{some_tokens(64), pages_from(0, 2), 0, {}};
    EXPECT_OK(read(*runner_of(load(source, p), 2, cache_type), {&r}, {64}));
    return r.logits;
  };
  const auto exact = logits(Precision::kFp32);
  double square = 0;
  for (const auto& row : exact)
    for (float x : row) square += double{x} * x;
  const double typical = std::sqrt(square / (64.0 * 70));
  // The worst of all logits depends on which keys and values the cache rounds otherwise, so it
  // scatters more than the mean.
  const auto expect_near = [&](const Difference& d, double worst, double mean) {
    EXPECT_LT(d.worst, worst * typical);
    EXPECT_LT(d.root_mean_square, mean * typical);
  };
  expect_near(difference(logits(Precision::kHigh), exact), 0.035, 0.005);
  expect_near(difference(logits(Precision::kHigh, CacheType::kInt8), exact), 0.06, 0.01);
  expect_near(difference(logits(Precision::kFast), exact), 0.15, 0.028);
}

TEST(Runner, TiedOutputIsTheEmbedding) {
  LlamaConfig c = small_config();
  c.tied_output = true;
  const auto tied = synthetic_model(c, DType::kF32);
  c.tied_output = false;
  auto untied = synthetic_model(c, DType::kF32);
  TensorSource copy = tied->tensors.at("model.embed_tokens.weight");
  copy.name = "lm_head.weight";
  untied->tensors.insert_or_assign(copy.name, copy);
  Reader a{some_tokens(5), {0}, 0, {}}, b = a;
  ASSERT_OK(read(*runner_of(load(tied, Precision::kFp32), 1), {&a}, {5}));
  ASSERT_OK(read(*runner_of(load(untied, Precision::kFp32), 1), {&b}, {5}));
  EXPECT_EQ(a.logits, b.logits);
}

TEST(Runner, RefusesTokensThatDoNotExist) {
  const auto runner =
      runner_of(load(synthetic_model(small_config(), DType::kF32), Precision::kFp32), 1);
  for (TokenId bad : {-1, 70}) {
    Reader r{{1, bad}, {0}, 0, {}};
    const Status status = read(*runner, {&r}, {2});
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    EXPECT_NE(status.error().message.find("0 to 69"), std::string::npos);
  }
}

std::shared_ptr<ModelSource> with_value(const std::string& name, float value) {
  auto source = synthetic_model(small_config(), DType::kF32);
  const TensorPiece& piece = source->tensors.at(name).pieces[0];
  std::memcpy(const_cast<std::byte*>(piece.data) + 3 * piece.row_stride + 20, &value, 4);
  return source;
}

TEST(Runner, ANanLogitIsAnErrorThatNamesWhereItBegan) {
  const auto model =
      load(with_value("model.layers.1.mlp.up_proj.weight", std::nanf("")), Precision::kFp32);
  Reader r{{1, 2}, {0}, 0, {}};
  const Status status = read(*runner_of(model, 2), {&r}, {2});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kFailed);
  EXPECT_NE(status.error().message.find("first seen in model.layers.1.mlp.up_proj"),
            std::string::npos)
      << status.error().message;
}

TEST(Loading, CheckRefusesWeightsThatAreNotFinite) {
  for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()})
    for (Precision p : {Precision::kFp32, Precision::kFast}) {
      const auto found =
          Model::from_source(with_value("model.layers.0.self_attn.k_proj.weight", bad),
                             {.precision = p, .check = true});
      ASSERT_FALSE(found.has_value());
      EXPECT_EQ(found.error().code, Code::kCorruptData);
      EXPECT_NE(
          found.error().message.find("model.layers.0.self_attn.k_proj.weight: row 3, column 5"),
          std::string::npos)
          << found.error().message;
    }
  EXPECT_OK(Model::from_source(synthetic_model(small_config(), DType::kQ4_0), {.check = true}));
}

TEST(Loading, ReportsProgressUpToAllBytes) {
  std::int64_t last = 0, total = 0;
  const auto source = synthetic_model(small_config(), DType::kQ8_0);
  ASSERT_OK(Model::from_source(source, {.progress = [&](std::int64_t done, std::int64_t of) {
                                 EXPECT_GE(done, last);
                                 last = done;
                                 total = of;
                               }}));
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, source->weight_bytes());
}

TEST(Plan, CountsWhatALoadAndAStepReallyTake) {
  for (Precision precision : {Precision::kFp32, Precision::kFast})
    for (int threads : {1, 2, 3}) {
      const auto source = synthetic_model(small_config(), DType::kQ8_0);
      const auto model = load(source, precision);
      const PlanReport r = *plan(*source, {.precision = precision,
                                           .num_threads = threads,
                                           .max_batch_tokens = 37,
                                           .max_logit_rows = 5,
                                           .context = 100});
      EXPECT_EQ(r.weight_bytes, model->weight_bytes());
      EXPECT_EQ(r.kv_bytes_per_token, 2 * 2 * 2 * 16 * (precision == Precision::kFp32 ? 4 : 2));
      EXPECT_EQ(r.kv_bytes,
                KvCache::create(*kv_shape(model->config(), precision), 4)->size_bytes());
      EXPECT_TRUE(r.fits());
    }
}

TEST(Plan, AnInt8CacheTakesHalfAndHoldsHeadsOf512AtMost) {
  LlamaConfig c = small_config();
  const auto bytes = [&](CacheType type) {
    return plan(*synthetic_model(c, DType::kQ8_0), {.cache_type = type})->kv_bytes_per_token;
  };
  EXPECT_EQ(bytes(CacheType::kInt8), bytes(CacheType::kBF16) / 2 + 2 * 2 * 2 * 4)
      << "a scale for every key and value of 2 layers and 2 heads";
  c.head_dim = 1024;
  const auto refused = kv_shape(c, Precision::kFast, CacheType::kInt8);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_NE(refused.error().message.find("512 is the most; use bf16"), std::string::npos);
}

TEST(Plan, FlopsAreThoseOfTheEquations) {
  const LlamaConfig c = small_config();
  const PlanReport r = *plan(*synthetic_model(c, DType::kQ8_0), {.context = 100});
  const std::int64_t layer = 64 * (4 + 2 + 2 + 4) * 16 + 3 * 64 * 96;
  EXPECT_EQ(r.decode.flops(), 2 * (2 * layer + 70 * 64) + 2 * 4 * 100 * 64);
  EXPECT_EQ(r.decode.weight_bytes, (2 * layer + 96 * 64) / 32 * 34)
      << "70 rows of output are three panels of 32";
  EXPECT_EQ(r.decode.kv_bytes, 100 * r.kv_bytes_per_token);
}

TEST(Runner, SaysWhatABatchComputesAndReads) {
  const auto source = synthetic_model(small_config(), DType::kQ8_0);
  const auto runner =
      *make_cpu_runner(load(source, Precision::kFast), {.num_threads = 1, .num_kv_pages = 8});
  const std::vector<TokenId> tokens = {1, 2};
  const std::vector<int> positions = {99, 59}, pages = {0, 1, 2, 3}, rows = {0, 1};
  const std::vector<BatchSequence> sequences = {{0, 1, 99, pages}, {1, 1, 59, pages}};
  const StepCost both = runner->cost({tokens, positions, sequences, rows});
  const StepCost first = plan(*source, {.context = 100})->decode,
                 second = plan(*source, {.context = 60})->decode;
  EXPECT_EQ(both.flops(), first.flops() + second.flops());
  EXPECT_EQ(both.kv_bytes, first.kv_bytes + second.kv_bytes);
  EXPECT_EQ(both.weight_bytes, first.weight_bytes) << "read once for both";
}

TEST(Limits, AStepIsBoundByWhatTakesLonger) {
  const kernels::Peaks peaks = {
      .read_bytes_per_s = 10, .int8_ops_per_s = 100, .bf16_ops_per_s = 50, .f32_ops_per_s = 25};
  StepCost cost{.flops_of = {100, 100, 100}, .weight_bytes = 40, .kv_bytes = 20};
  EXPECT_EQ(bound_of(cost, peaks).by, Bound::By::kCompute);
  EXPECT_DOUBLE_EQ(bound_of(cost, peaks).seconds, 1 + 2 + 4) << "one kind after the other";
  cost.kv_bytes += 20;
  EXPECT_EQ(bound_of(cost, peaks).by, Bound::By::kMemory);
  EXPECT_DOUBLE_EQ(bound_of(cost, peaks).seconds, 8);
}

TEST(Limits, OperationsCountForWhatIsMultiplied) {
  const auto flops_of = [](Precision precision, CacheType cache) {
    return plan(*synthetic_model(small_config(), DType::kQ8_0),
                {.precision = precision, .cache_type = cache, .context = 100})
        ->decode.flops_of;
  };
  const std::int64_t attention = 2 * 4 * 100 * 64;  // of 2 layers
  EXPECT_EQ(flops_of(Precision::kHigh, CacheType::kBF16)[2], attention) << "in float32";
  EXPECT_EQ(flops_of(Precision::kFp32, CacheType::kBF16)[0], 0);
  EXPECT_EQ(flops_of(Precision::kFast, CacheType::kBF16)[1] -
                flops_of(Precision::kFast, CacheType::kInt8)[1],
            attention);
}

TEST(Plan, TheContextIsTheModelsOrWhatFits) {
  const auto source = synthetic_model(small_config(), DType::kQ8_0);
  EXPECT_EQ(plan(*source)->context, 2048);
  auto huge = std::make_shared<ModelSource>();
  huge->config = small_config();
  LlamaConfig c = small_config();
  c.num_layers = 1;
  c.num_kv_heads = c.num_heads = 64;
  c.head_dim = 4096;
  c.max_context = 1 << 30;
  c.model_dim = 32;
  const PlanReport r = *plan(*synthetic_model(c, DType::kQ8_0));
  EXPECT_LT(r.context, c.max_context);
  EXPECT_LE(r.total_bytes(), r.available_bytes);
  EXPECT_FALSE(plan(*synthetic_model(c, DType::kQ8_0), {.context = 1 << 30})->fits());
}

TEST(Runner, ACacheThatDoesNotFitIsRefusedBeforeItIsTaken) {
  const auto model = load(synthetic_model(small_config(), DType::kQ8_0), Precision::kFast);
  const auto runner =
      make_cpu_runner(model, {.num_kv_pages = std::numeric_limits<int>::max() / kKvPageTokens});
  ASSERT_FALSE(runner.has_value());
  EXPECT_EQ(runner.error().code, Code::kResourceExhausted);
  EXPECT_NE(runner.error().message.find("shorter context"), std::string::npos);
}

TEST(Rotation, FrequenciesFollowLlama31) {  // docs/formats.md
  RopeConfig rope;
  rope.theta = 500000;
  const Rotation plain = make_rotation(rope, 128);
  rope.scaling = {RopeScaling::Kind::kLlama3, 8, 1, 4, 8192};
  const Rotation r = make_rotation(rope, 128);
  for (std::size_t i = 0; i <= 28; ++i) EXPECT_EQ(r.frequencies[i], plain.frequencies[i]);
  for (std::size_t i = 35; i < 64; ++i) EXPECT_EQ(r.frequencies[i], plain.frequencies[i] / 8);
  EXPECT_NEAR(r.frequencies[28], 3.211445995e-03, 2e-7 * 3.211445995e-03);
  EXPECT_NEAR(r.frequencies[29], 2.166570764e-03, 2e-7 * 2.166570764e-03);
  EXPECT_NEAR(r.frequencies[31], 8.567514129e-04, 2e-7 * 8.567514129e-04);
  EXPECT_NEAR(r.frequencies[34], 1.785078128e-04, 2e-7 * 1.785078128e-04);
  EXPECT_NEAR(r.frequencies[63], 3.068925989e-07, 2e-7 * 3.068925989e-07);

  rope.scaling = {RopeScaling::Kind::kLinear, 4, 1, 4, 8192};
  EXPECT_EQ(make_rotation(rope, 128).frequencies[7], plain.frequencies[7] / 4);
  rope.divisors.assign(64, 2.0f);
  EXPECT_EQ(make_rotation(rope, 128).frequencies[7], plain.frequencies[7] / 2)
      << "divisors stand in place of the scaling";
}

}  // namespace
}  // namespace pronk
