// Fused operations are their parts, bit for bit: TraceOps computes these one after the other.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "ops/op_parts.h"
#include "ops/plan_ops.h"
#include "ops/trace_ops.h"

namespace pronk {
namespace {

using namespace testing;

struct Weights {
  DType types[3];
  bool packed;
};
constexpr Weights kWeights[] = {{{DType::kQ4_0, DType::kQ4_0, DType::kQ8_0}, true},
                                {{DType::kQ4_1, DType::kBF16, DType::kF32}, true},
                                {{DType::kF16, DType::kQ5_1, DType::kQ4_0}, false}};

// Two sequences, of a prompt of `num_prompt_rows` from its first token on and of a reply that goes
// on with one token, over heads of 16 dimensions.
struct Step {
  static constexpr int kHeadDim = 16, kHeads = 4, kKvHeads = 2, kReplyStart = 40, kPages = 12;

  explicit Step(int prompt_rows)
      : num_prompt_rows(prompt_rows), positions(static_cast<std::size_t>(prompt_rows)) {
    std::iota(positions.begin(), positions.end(), 0);
    positions.push_back(kReplyStart);
    if (prompt_rows > 0) sequences.push_back({0, prompt_rows, 0, prompt_pages});
    sequences.push_back({prompt_rows, 1, kReplyStart, reply_pages});
    for (int i = 0; i < kHeadDim / 2; ++i)
      rotation.frequencies.push_back(1.0f / static_cast<float>(1 + i));
  }
  Step(const Step&) = delete;
  int num_tokens() const { return num_prompt_rows + 1; }
  Batch batch() const { return {{}, positions, sequences, {}, num_prompt_rows}; }

  int num_prompt_rows;
  std::vector<int> positions, prompt_pages = {3, 1, 0, 5, 6, 7, 8, 9, 10, 11}, reply_pages = {4, 2};
  std::vector<BatchSequence> sequences;
  Rotation rotation{kHeadDim, {}};
};

// Appends the values of each result.
void collect(std::vector<float>& out, std::initializer_list<Tensor> results) {
  for (const Tensor& t : results) out.insert(out.end(), t.data, t.data + t.size());
}

// Everything fused, once, as a layer uses it; what came out, unless it is only counted.
template <Ops O>
std::vector<float> all_fused(O& op, const Weights& weights, const Step& step, KvLayer kv) {
  constexpr int kWidth = Step::kHeads * Step::kHeadDim, kKvWidth = Step::kKvHeads * Step::kHeadDim;
  constexpr int kHidden = 96 + 17;  // the last panel is not full
  const auto& [a, b, c] = weights.types;
  const bool packed = weights.packed;
  const Matrix embedding(DType::kF32, 320, kWidth, false, 9);
  const Matrix q(a, kWidth, kWidth, packed, 1), k(b, kKvWidth, kWidth, packed, 2),
      v(c, kKvWidth, kWidth, packed, 3), o(c, kWidth, kWidth, packed, 4);
  const Matrix gate(a, kHidden, kWidth, packed, 5), up(b, kHidden, kWidth, packed, 6);
  std::vector<TokenId> tokens(static_cast<std::size_t>(step.num_tokens()));
  std::iota(tokens.begin(), tokens.end(), 1);

  std::vector<float> out;
  const Tensor x = op.embed(embedding.handle, tokens);
  auto layer = op.enter_layer(0);
  const auto [for_q, for_k, for_v] = op.linears(x, q.handle, k.handle, v.handle);
  if (kv.data) collect(out, {for_q, for_k, for_v});  // before they are turned
  const Tensor y = op.rope_attend(for_q, for_k, for_v, step.rotation, step.batch(), kv);
  const Tensor h = op.linear_add(y, o.handle, x);
  const Tensor f = op.linear_swiglu(h, gate.handle, up.handle);
  if (kv.data) collect(out, {y, h, f});
  return out;
}

class Fused : public ::testing::TestWithParam<Weights> {};

TEST_P(Fused, IsItsPartsBitForBit) {
  const KvShape shape{1, Step::kKvHeads, Step::kHeadDim, kernels::KvType::kBF16};
  for (const kernels::KernelTable* table : kernels::usable_tables())
    for (const int prompt_rows : {0, 1, 31, 70, 300})
      for (const int threads : {1, 3}) {
        SCOPED_TRACE(
            fmt::format("{}, {} rows of a prompt, {} threads", table->name, prompt_rows, threads));
        const Step step(prompt_rows);
        const KvCache cache = *KvCache::create(shape, Step::kPages),
                      other_cache = *KvCache::create(shape, Step::kPages);
        Cpu fused(threads, 64 << 20, *table), plain(threads, 64 << 20, *table);
        fused.op.begin_step(step.num_tokens(), Step::kHeadDim, prompt_rows);
        plain.op.begin_step(step.num_tokens(), Step::kHeadDim, prompt_rows);
        TraceOps by_parts(plain.op, [](std::string_view, Tensor) {});
        const auto found = all_fused(fused.op, GetParam(), step, cache[0]);
        const auto wanted = all_fused(by_parts, GetParam(), step, other_cache[0]);
        ASSERT_EQ(found.size(), wanted.size());
        EXPECT_EQ(std::memcmp(found.data(), wanted.data(), found.size() * sizeof(float)), 0);
        for (int page = 0; page < Step::kPages; ++page)
          for (int head = 0; head < Step::kKvHeads; ++head) {
            const kernels::KvPage a = cache[0].head(page, head),
                                  b = other_cache[0].head(page, head);
            EXPECT_EQ(std::memcmp(a.keys, b.keys, static_cast<std::size_t>(shape.keys_bytes())), 0);
            EXPECT_EQ(
                std::memcmp(a.values, b.values, static_cast<std::size_t>(shape.values_bytes())), 0);
          }
      }
}

TEST_P(Fused, TakesWhatIsPlannedAndNoMoreThanItsParts) {
  const KvShape shape{1, Step::kKvHeads, Step::kHeadDim, kernels::KvType::kBF16};
  for (const int threads : {1, 3}) {
    const Step step(70);
    const KvCache cache = *KvCache::create(shape, Step::kPages), counted = KvCache::counting(shape);
    PlanOps planned(kernels::table().linear, threads), plain(kernels::table().linear, threads);
    TraceOps by_parts(plain, [](std::string_view, Tensor) {});
    Cpu cpu(threads);
    planned.begin_step(step.num_tokens(), Step::kHeadDim, 70);
    plain.begin_step(step.num_tokens(), Step::kHeadDim, 70);
    cpu.op.begin_step(step.num_tokens(), Step::kHeadDim, 70);
    all_fused(planned, GetParam(), step, counted[0]);
    all_fused(by_parts, GetParam(), step, counted[0]);
    all_fused(cpu.op, GetParam(), step, cache[0]);
    EXPECT_EQ(cpu.arena.most_used(), planned.arena_bytes());
    EXPECT_LE(planned.arena_bytes(), plain.arena_bytes());
    EXPECT_EQ(planned.cost().flops(), plain.cost().flops());
    EXPECT_EQ(planned.cost().bytes(), plain.cost().bytes());
  }
}
INSTANTIATE_TEST_SUITE_P(Weights, Fused, ::testing::ValuesIn(kWeights), [](const auto& test) {
  return fmt::format("{}_{}", pronk::info(test.param.types[0]).name,
                     test.param.packed ? "packed" : "rows");
});

// More rows of a prompt than a core's cache keeps are taken in blocks, and a reply beside them.
TEST(Products, RowsOfManyBlocksAreThoseOfOneRow) {
  constexpr int kPromptRows = 600, kRows = kPromptRows + 1;
  for (const DType type : {DType::kQ4_0, DType::kQ8_0, DType::kBF16}) {
    constexpr int kWidth = 256;
    std::vector<float> x = random_values(kRows * kWidth, 1);
    const Matrix gate(type, 200, kWidth, true, 2), up(type, 200, kWidth, true, 3);
    Cpu all(2), one(1);
    all.op.begin_step(kRows, Step::kHeadDim, kPromptRows);
    const Tensor many = view(x, kRows);
    const Tensor y = all.op.linear(many, gate.handle);
    const Tensor f = all.op.linear_swiglu(many, gate.handle, up.handle);
    for (const int row : {0, 255, 256, 511, 512, 599, 600}) {
      SCOPED_TRACE(fmt::format("{}, row {}", info(type).name, row));
      one.op.begin_step(1, Step::kHeadDim, row < kPromptRows);
      const Tensor alone{many.row(row), 1, kWidth};
      const Tensor y1 = one.op.linear(alone, gate.handle);
      const Tensor f1 = one.op.linear_swiglu(alone, gate.handle, up.handle);
      EXPECT_TRUE(std::equal(y1.row(0), y1.row(1), y.row(row)));
      EXPECT_TRUE(std::equal(f1.row(0), f1.row(1), f.row(row)));
    }
  }
}

TEST(TraceOps, NamesTheRotationOfEachOfSeveralProducts) {
  const Step step(3);
  const KvShape shape{1, Step::kKvHeads, Step::kHeadDim, kernels::KvType::kF32};
  const KvCache cache = *KvCache::create(shape, Step::kPages);
  Matrix q(DType::kF32, 64, 32, true, 1), k(DType::kF32, 32, 32, true, 2), v = k;
  q.handle.name = "q_proj", k.handle.name = "k_proj", v.handle.name = "v_proj";
  std::vector<float> x = random_values(4 * 32, 3);
  std::vector<std::string> names;
  Cpu cpu(2);
  cpu.op.begin_step(4, Step::kHeadDim);
  TraceOps op(cpu.op, [&](std::string_view name, Tensor) { names.emplace_back(name); });
  const auto [a, b, c] = op.linears(view(x, 4), q.handle, k.handle, v.handle);
  op.rope_attend(a, b, c, step.rotation, step.batch(), cache[0]);
  EXPECT_EQ(names, (std::vector<std::string>{"q_proj", "k_proj", "v_proj", "q_proj.rope",
                                             "k_proj.rope", "self_attn.attend"}));
}

}  // namespace
}  // namespace pronk
