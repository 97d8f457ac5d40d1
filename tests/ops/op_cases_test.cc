// Each operation alone, on whatever implements Ops: CpuOps on every instruction set gives what it
// means, PlanOps the same shape and memory, TraceOps the same bits and a name.
#include "ops/op_cases.h"

#include <gtest/gtest.h>

#include <cstring>

#include "ops/plan_ops.h"
#include "ops/trace_ops.h"

namespace pronk {
namespace {

using namespace testing;

TEST(OpCases, CpuOpsGivesWhatEachOperationMeans) {
  for (const kernels::KernelTable* table : kernels::usable_tables())
    for (const OpShape& shape : kOpShapes)
      for (const int threads : {1, 3})
        for_each_op_case([&](auto op_case) {
          SCOPED_TRACE(fmt::format("{} on {}, {} tokens, {} threads", op_case.kName, table->name,
                                   shape.tokens, threads));
          OpInputs in(shape);
          const Doubles wanted = op_case.meaning(in);
          Cpu cpu(threads, 64 << 20, *table);
          cpu.op.begin_step(shape.tokens, shape.head_dim);
          const Tensor y = op_case.run(cpu.op, in);
          ASSERT_EQ(static_cast<std::size_t>(y.size()), wanted.size());
          for (std::size_t i = 0; i < wanted.size(); ++i)
            ASSERT_NEAR(y.data[i], wanted[i], 1e-5) << "value " << i;
        });
}

TEST(OpCases, PlanOpsCountsEachOperationToTheByte) {
  for (const OpShape& shape : kOpShapes)
    for (const int threads : {1, 3})
      for_each_op_case([&](auto op_case) {
        SCOPED_TRACE(
            fmt::format("{}, {} tokens, {} threads", op_case.kName, shape.tokens, threads));
        OpInputs planned_in(shape, /*has_cache=*/false);
        PlanOps planned(kernels::table().linear, threads);
        planned.begin_step(shape.tokens, shape.head_dim);
        const Tensor shape_of = op_case.run(planned, planned_in);
        for (const int num_prompt_rows : {0, shape.tokens / 2, shape.tokens}) {
          OpInputs in(shape);
          Cpu cpu(threads);
          cpu.op.begin_step(shape.tokens, shape.head_dim, num_prompt_rows);
          const Tensor y = op_case.run(cpu.op, in);
          EXPECT_EQ(shape_of.rows, y.rows);
          EXPECT_EQ(shape_of.columns, y.columns);
          EXPECT_EQ(planned.arena_bytes(), cpu.arena.most_used()) << num_prompt_rows;
        }
      });
}

TEST(OpCases, TraceOpsShowsTheSameBitsByName) {
  for (const OpShape& shape : kOpShapes)
    for_each_op_case([&](auto op_case) {
      SCOPED_TRACE(fmt::format("{}, {} tokens", op_case.kName, shape.tokens));
      OpInputs plain_in(shape), traced_in(shape);
      Cpu plain(2), traced(2);
      plain.op.begin_step(shape.tokens, shape.head_dim);
      traced.op.begin_step(shape.tokens, shape.head_dim);
      std::vector<std::pair<std::string, Tensor>> shown;
      TraceOps trace(traced.op,
                     [&](std::string_view name, Tensor value) { shown.emplace_back(name, value); });
      const Tensor a = op_case.run(plain.op, plain_in), b = op_case.run(trace, traced_in);
      ASSERT_FALSE(shown.empty());
      EXPECT_FALSE(shown.back().first.empty());
      EXPECT_EQ(shown.back().second.data, b.data);
      ASSERT_EQ(a.size(), b.size());
      EXPECT_EQ(std::memcmp(a.data, b.data, static_cast<std::size_t>(a.size_bytes())), 0);
    });
}

}  // namespace
}  // namespace pronk
