// Sweeps over panels of a linear layer on one core: operations a second and percent of this core's
// measured peak, or bytes of weights a second and percent of its measured read bandwidth.
//
//   kernels_bench --benchmark_filter='tile/.*Q4_0'
//   tile/TYPE/STANDING_OUT       96 tokens x [128 rows, 4096 columns]; percent of blocks that stand
//                                out, the same ones of every token
//   scattered/TYPE/STANDING_OUT  the same, of each token others
//   prompt/TYPE                  256 tokens of a prompt x [512 rows, 4096 columns], where a table
//                                has kernels for that
//   near/TYPE/TOKENS             two panels in the L2 cache, few tokens: what memory does not cost
//   stream/TYPE/TOKENS           weights far larger than the caches, few tokens: the decoding of a
//                                batch
//   quantize/RULE/TOKENS         rows of 4096 columns in the caches
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "kernels/calibrate.h"
#include "kernels/isa.h"
#include "kernels/pack.h"
#include "on_lines.h"
#include "tensor/dequantize.h"
#include "tensor/half.h"

namespace {

using namespace pronk;
using namespace pronk::kernels;

constexpr int kColumns = 4096;

const Peaks& peaks() {
  static std::vector<std::byte> memory(std::size_t{1} << 30);
  static const Peaks measured = measure_peaks(
      table(), 1, [](const std::function<void(int)>& body) { body(0); }, memory);
  return measured;
}

// Speed does not depend on the values, as long as they are numbers: bytes whose 16-bit floats are
// all small.
Values<std::byte> weights(DType type, int num_panels) {
  const auto bytes = static_cast<std::size_t>(panel_bytes(type, kColumns));
  std::vector<std::byte> row(static_cast<std::size_t>(row_bytes(type, kColumns)));
  std::mt19937 rng(1);
  for (std::byte& b : row) b = static_cast<std::byte>(rng() % 40);
  PanelRows rows;
  rows.fill(row.data());
  Values<std::byte> out(bytes * static_cast<std::size_t>(num_panels));
  pack_panel(type, rows, kColumns, out.data());
  for (int p = 1; p < num_panels; ++p)
    std::memcpy(out.data() + bytes * static_cast<std::size_t>(p), out.data(), bytes);
  return out;
}

struct Input {
  Values<float> f32;
  Values<std::int8_t> high;
  Values<LowBlock> low;
  Values<std::int32_t> low_ends;
  Values<float> scales;
  Values<std::int32_t> negated_high, pairs_high;
  Values<float> scaled_sums;
  Values<std::uint16_t> bf16;
  Activations view;
};

void quantize(const Input& in, SecondPlane rule) {
  const std::int64_t tile = std::int64_t{kTileTokens} * kColumns;
  for (int i = 0; i < in.view.num_tiles(); ++i)
    table().linear.quantize_tile(in.f32.data() + i * tile, rule, in.view.tile(i));
}

enum class Who { kAllTokens, kScattered };  // stand out in the same block

Input input(DType type, int tokens, int percent_standing_out, Who who = Who::kAllTokens) {
  const auto n = static_cast<std::size_t>(tokens) * kColumns;
  Input in{Values<float>(n),
           Values<std::int8_t>(n),
           Values<LowBlock>(n / 32),
           Values<std::int32_t>(n / 32),
           Values<float>(n / 32),
           Values<std::int32_t>(n / 32 * kBlockSums),
           Values<std::int32_t>(n / 32 * kPairStarts),
           Values<float>(n / 32 * kBlockSums),
           Values<std::uint16_t>(n),
           {}};
  in.view = {.num_rows = tokens,
             .columns = kColumns,
             .max = table().linear.activation_max[static_cast<std::size_t>(type)],
             .high = in.high.data(),
             .low = in.low.data(),
             .low_ends = in.low_ends.data(),
             .scales = in.scales.data(),
             .negated_high = in.negated_high.data(),
             .scaled_sums = in.scaled_sums.data(),
             .pairs_high = in.pairs_high.data(),
             .bf16 = in.bf16.data(),
             .f32 = in.f32.data()};
  std::mt19937 rng(2);
  std::normal_distribution<float> normal;
  // What feeds most layers of a model has the same large blocks in every token, what feeds `down`
  // has not.
  std::vector<bool> large((who == Who::kAllTokens ? 1 : n / kColumns) * kColumns / 32);
  for (std::size_t b = 0; b < large.size(); ++b)
    large[b] = static_cast<int>(b * 2654435761u / 256 % 100) < percent_standing_out;
  for (std::size_t i = 0; i < n; ++i)
    in.f32[i] =
        std::clamp(normal(rng), -2.0f, 2.0f) * (large[i / 32 % large.size()] ? 30.0f : 1.0f);
  for (int t = 0; t < tokens; ++t)
    table().linear.round_row(in.f32.data() + static_cast<std::int64_t>(t) * kColumns, in.view, t);
  quantize(in, percent_standing_out == 100 ? SecondPlane::kHigh : SecondPlane::kFast);
  return in;
}

// All panels for one prompt, where there are kernels for that.
void prompt(benchmark::State& state, DType type, int num_panels, int tokens) {
  const auto multiply = table().linear.multiply_bf16[static_cast<std::size_t>(type)];
  const auto packed = weights(type, num_panels);
  const Input in = input(type, tokens, 6);
  const int rows = num_panels * kPanelRows;
  Values<float> y(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(rows));
  const std::clock_t start = std::clock();
  for (auto _ : state) {
    multiply({packed.data(), panel_bytes(type, kColumns), rows}, in.view, y.data(), rows);
    benchmark::ClobberMemory();
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const double ops_per_s =
      2.0 * rows * kColumns * tokens * static_cast<double>(state.iterations()) / seconds;
  state.counters["GOPS"] = ops_per_s * 1e-9;
  state.counters["%peak"] = ops_per_s / peaks().ops_per_s(ActivationKind::kBF16) * 100;
}

void sweep(benchmark::State& state, DType type, int num_panels, int tokens, int percent, Who who) {
  const auto packed = weights(type, num_panels);
  const Input in = input(type, tokens, percent, who);
  const auto bytes = panel_bytes(type, kColumns);
  const int rows = num_panels * kPanelRows;
  Values<float> y(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(rows));
  const auto i = static_cast<std::size_t>(type);
  const auto multiply = table().linear.multiply_panel[i];
  const std::clock_t start = std::clock();
  for (auto _ : state) {
    for (int p = 0; p < num_panels; ++p)
      multiply(packed.data() + p * bytes, in.view, kPanelRows, y.data() + p * kPanelRows, rows);
    benchmark::ClobberMemory();
  }
  // Per second that this process ran: a neighbour on the core does not count, here nor in the
  // peaks.
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  const double times = static_cast<double>(state.iterations());
  const double ops_per_s = 2.0 * rows * kColumns * tokens * times / seconds;
  const double bytes_per_s = static_cast<double>(packed.size()) * times / seconds;
  state.counters["GOPS"] = ops_per_s * 1e-9;
  state.counters["%peak"] = ops_per_s / peaks().ops_per_s(table().linear.activation_kind[i]) * 100;
  state.counters["GB/s"] = bytes_per_s * 1e-9;
  state.counters["%read"] = bytes_per_s / peaks().read_bytes_per_s * 100;
}

void quantize_rows(benchmark::State& state, SecondPlane rule, int tokens) {
  const Input in = input(DType::kQ4_0, tokens, 6);
  for (auto _ : state) quantize(in, rule);
  state.counters["values/s"] = benchmark::Counter(
      static_cast<double>(tokens) * kColumns * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}

void pack(benchmark::State& state, DType type) {
  const auto row_size = static_cast<std::size_t>(row_bytes(type, kColumns));
  const std::vector<std::byte> rows_bytes(row_size * kPanelRows);
  PanelRows rows;
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows_bytes.data() + r * row_size;
  std::vector<std::byte> out(static_cast<std::size_t>(panel_bytes(type, kColumns)));
  for (auto _ : state) {
    pack_panel(type, rows, kColumns, out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(out.size()) * state.iterations());
}

int register_all() {
  for (int i = 0; i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    if (!table().linear.multiply_panel[i]) continue;
    const std::string name = info(type).name;
    for (int percent : {0, 6, 100})
      benchmark::RegisterBenchmark(("tile/" + name + "/" + std::to_string(percent)).c_str(), sweep,
                                   type, 4, 96, percent, Who::kAllTokens);
    benchmark::RegisterBenchmark(("scattered/" + name + "/6").c_str(), sweep, type, 4, 96, 6,
                                 Who::kScattered);
    const int num_panels = static_cast<int>((192ll << 20) / panel_bytes(type, kColumns));
    for (int tokens : {1, 2, 4, 8, 9, 10, 12, 32}) {
      const std::string which = name + "/" + std::to_string(tokens);
      benchmark::RegisterBenchmark(("near/" + which).c_str(), sweep, type, 2, tokens, 6,
                                   Who::kAllTokens);
      benchmark::RegisterBenchmark(("stream/" + which).c_str(), sweep, type, num_panels, tokens, 6,
                                   Who::kAllTokens);
    }
    if (table().linear.multiply_bf16[static_cast<std::size_t>(i)])
      benchmark::RegisterBenchmark(("prompt/" + name).c_str(), prompt, type, 16, 256);
    benchmark::RegisterBenchmark(("pack/" + name).c_str(), pack, type);
  }
  for (const int tokens : {1, 4, 8, 64}) {
    const std::string n = std::to_string(tokens);
    benchmark::RegisterBenchmark(("quantize/fast/" + n).c_str(), quantize_rows, SecondPlane::kFast,
                                 tokens);
    benchmark::RegisterBenchmark(("quantize/high/" + n).c_str(), quantize_rows, SecondPlane::kHigh,
                                 tokens);
  }
  return 0;
}

const int registered = register_all();

}  // namespace
