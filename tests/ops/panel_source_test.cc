// Weights that are packed on their second use: the same products, and who packs when.
#include "ops/panel_source.h"

#include <gtest/gtest.h>

#include <mutex>

#include "ops/op_parts.h"
#include "ops/plan_ops.h"

namespace pronk {
namespace {

using namespace testing;
using Use = PanelSource::Use;

// A matrix, and the same one with panels that come from a source, which counts what is asked of it.
struct Later {
  static constexpr int kRows = 32 * 30 + 5, kColumns = 64;
  Matrix packed;
  Linear handle = packed.handle;
  std::vector<std::byte> place;
  std::mutex mutex;
  int num_read = 0, num_packed = 0;  // panels

  explicit Later(DType type = DType::kQ4_0, int rows = kRows, int columns = kColumns)
      : packed(type, rows, columns, true, 1),
        place(static_cast<std::size_t>(handle.packed_bytes())) {
    const auto pack = [this](int first, int end, bool for_good, std::byte* out) {
      const std::byte* panels = packed.handle.panels.get();
      const std::int64_t each = packed.handle.panel_bytes();
      std::copy(panels + first * each, panels + end * each, out);
      const std::lock_guard lock(mutex);
      (for_good ? num_packed : num_read) += end - first;
    };
    handle.panels = nullptr;
    handle.source = std::make_shared<PanelSource>(pack, place.data(), handle.panel_bytes());
  }
};

TEST(PanelSource, IsReadByTheFirstProductAndPackedByTheSecond) {
  Later w;
  for (const int num_rows : {1, 40}) {
    std::vector<float> x = random_values(std::int64_t{num_rows} * Later::kColumns, 2);
    Cpu cpu(2);
    for (int i = 0; i < 3; ++i) {
      cpu.op.begin_step(num_rows, 16, num_rows / 2);
      const Tensor expected = cpu.op.linear(view(x, num_rows), w.packed.handle);
      const Tensor y = cpu.op.linear(view(x, num_rows), w.handle);
      EXPECT_TRUE(std::equal(y.data, y.data + y.size(), expected.data));
      EXPECT_EQ(w.num_read, 31) << "only the first product reads";
      EXPECT_EQ(w.num_packed, num_rows == 1 && i == 0 ? 0 : 31) << "only the second packs";
    }
  }
}

// As the head's, in steps that want no row's logits.
TEST(PanelSource, IsPackedByAProductOfNoRows) {
  Later w;
  std::vector<float> x = random_values(Later::kColumns, 2);
  Cpu cpu(2);
  for (int i = 0; i < 2; ++i) {
    cpu.op.begin_step(1, 16);
    cpu.op.linear({x.data(), 0, Later::kColumns}, w.handle);
  }
  cpu.op.begin_step(1, 16);
  const Tensor expected = cpu.op.linear(view(x, 1), w.packed.handle);
  const Tensor y = cpu.op.linear(view(x, 1), w.handle);
  EXPECT_TRUE(std::equal(y.data, y.data + y.size(), expected.data));
  EXPECT_EQ(w.num_packed, 31);
}

// A thread has room for 256 KiB of panels, so for fewer of the larger type.
TEST(PanelSource, GateAndUpOfTwoTypesKeepToTheirRoom) {
  constexpr int kWide = 2048, kManyRows = 32 * 7 * 16;
  std::vector<float> x = random_values(kWide, 2);
  for (const auto& [for_gate, for_up] :
       {std::pair{DType::kQ4_0, DType::kQ8_0}, {DType::kQ8_0, DType::kQ4_0}}) {
    Later gate(for_gate, kManyRows, kWide), up(for_up, kManyRows, kWide);
    PlanOps planned(kernels::table().linear, 1);
    planned.begin_step(1, 16);
    planned.linear_swiglu(view(x, 1), gate.handle, up.handle);
    Cpu cpu(1, planned.arena_bytes()), other(1);
    cpu.op.begin_step(1, 16);
    other.op.begin_step(1, 16);
    const Tensor y = cpu.op.linear_swiglu(view(x, 1), gate.handle, up.handle);
    const Tensor expected =
        other.op.linear_swiglu(view(x, 1), gate.packed.handle, up.packed.handle);
    EXPECT_TRUE(std::equal(y.data, y.data + y.size(), expected.data));
  }
}

TEST(PanelSource, StepsArePlannedWithWhatReadingTakes) {
  Later w;
  std::vector<float> x = random_values(Later::kColumns, 2);
  const auto bytes_for = [&](const Linear& handle) {
    PlanOps planned(kernels::table().linear, 2);
    planned.begin_step(1, 16);
    planned.linear(view(x, 1), handle);
    Cpu cpu(2, planned.arena_bytes());  // one byte less would abort
    cpu.op.begin_step(1, 16);
    cpu.op.linear(view(x, 1), handle);
    EXPECT_EQ(cpu.arena.most_used(), planned.arena_bytes());
    return planned.arena_bytes();
  };
  EXPECT_GE(bytes_for(w.handle), bytes_for(w.packed.handle) + 2 * w.handle.panel_bytes());
}

TEST(PanelSource, OneProductPacksWhileOthersGoOnReading) {
  Later w;
  PanelSource& source = *w.handle.source;
  const Use first = source.begin_use(), beside = source.begin_use();
  EXPECT_EQ(first, Use::kRead);
  EXPECT_EQ(beside, Use::kRead) << "nobody has read all of it yet";
  source.end_use(first);
  source.end_use(beside);
  const Use packs = source.begin_use(), reads = source.begin_use();
  EXPECT_EQ(packs, Use::kPack);
  EXPECT_EQ(reads, Use::kRead);
  source.end_use(reads);
  EXPECT_EQ(source.begin_use(), Use::kRead) << "it is still being packed";
  source.end_use(packs);
  EXPECT_EQ(source.begin_use(), Use::kPacked);
}

}  // namespace
}  // namespace pronk
