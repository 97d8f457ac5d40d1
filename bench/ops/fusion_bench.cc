// What a fused operation saves: one call of it for a layer, and of its parts, on two threads.
//
//   ops_bench --benchmark_repetitions=5 --benchmark_enable_random_interleaving
//   fusion/NAME/MODEL/ROWS/{fused,parts}   microseconds a call
//
// 1 and 8 rows are replies that go on after 512 tokens, 512 rows are a prompt. Calls go round the
// layers of the model, so that weights, keys and values come from beyond a core's own cache.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "ops/cpu_ops.h"

namespace {

using namespace pronk;

constexpr int kHeadDim = 64, kThreads = 2;
constexpr int kReplyStart = 512, kReplyPages = kReplyStart / kKvPageTokens + 1;
constexpr int kPromptPages = 512 / kKvPageTokens;

struct Shape {
  const char* name;
  DType type;
  int num_layers, model_dim, num_heads, num_kv_heads, ffn_dim;
};
constexpr Shape kShapes[] = {{"135M_Q4_1", DType::kQ4_1, 30, 576, 9, 3, 1536},
                             {"1B_Q4_0", DType::kQ4_0, 16, 2048, 32, 8, 8192}};

// Speed does not depend on the values; but memory that nobody wrote is one page of zeros.
void touch(std::byte* data, std::int64_t size) { std::fill_n(data, size, std::byte{0}); }

Linear zeros(DType type, int rows, int columns) {
  Linear w;
  w.name = "zeros";
  w.rows = rows;
  w.columns = columns;
  w.packed_type = type;
  auto panels = std::make_shared<Memory>(*Memory::zeroed(w.packed_bytes()));
  touch(panels->data(), panels->size());
  w.panels = std::shared_ptr<const std::byte>(panels, panels->data());
  return w;
}

struct Layer {
  Linear q, k, v, o, gate, up;
};

std::vector<Layer> make_layers(const Shape& s) {
  const int width = s.num_heads * kHeadDim, kv_width = s.num_kv_heads * kHeadDim;
  std::vector<Layer> layers;
  for (int i = 0; i < s.num_layers; ++i)
    layers.push_back({.q = zeros(s.type, width, s.model_dim),
                      .k = zeros(s.type, kv_width, s.model_dim),
                      .v = zeros(s.type, kv_width, s.model_dim),
                      .o = zeros(s.type, s.model_dim, width),
                      .gate = zeros(s.type, s.ffn_dim, s.model_dim),
                      .up = zeros(s.type, s.ffn_dim, s.model_dim)});
  return layers;
}

const std::vector<Layer>& layers_of(const Shape& s) {
  static const std::vector<Layer> made[] = {make_layers(kShapes[0]), make_layers(kShapes[1])};
  return made[&s - kShapes];
}

// The rows of one step, of a prompt or of as many replies.
struct Step {
  Step(const Shape& s, int num_rows, bool is_prompt)
      : shape(s),
        pool(kThreads),
        arena(*Arena::of_bytes(std::int64_t{256} << 20)),
        op(kernels::table(), pool, arena, kernels::SecondPlane::kFast),
        cache(*KvCache::create({s.num_layers, s.num_kv_heads, kHeadDim},
                               is_prompt ? kPromptPages : num_rows * kReplyPages)),
        num_prompt_rows(is_prompt ? num_rows : 0),
        pages(static_cast<std::size_t>(cache.num_pages())),
        positions(static_cast<std::size_t>(num_rows), kReplyStart),
        tokens(static_cast<std::size_t>(num_rows), 0) {
    std::iota(pages.begin(), pages.end(), 0);
    const std::span<const int> all = pages;
    if (is_prompt) {
      std::iota(positions.begin(), positions.end(), 0);
      sequences.push_back({0, num_rows, 0, all});
    } else {
      for (int i = 0; i < num_rows; ++i)
        sequences.push_back({i, 1, kReplyStart,
                             all.subspan(static_cast<std::size_t>(i) * kReplyPages, kReplyPages)});
    }
    touch(cache[0].data, cache.size_bytes());
    embedding.columns = s.model_dim;
    embedding.rows = 1;
    embedding.read_row = [n = s.model_dim](std::int64_t, float* out) { std::fill_n(out, n, 1.0f); };
  }
  Step(const Step&) = delete;

  const Layer& layer(int i) const { return layers_of(shape)[static_cast<std::size_t>(i)]; }
  Batch batch() const { return {tokens, positions, sequences, {}, num_prompt_rows}; }
  void begin() {
    op.begin_step(static_cast<int>(tokens.size()), kHeadDim, num_prompt_rows);
    x = op.embed(embedding, tokens);
    const int width = shape.num_heads * kHeadDim, kv_width = shape.num_kv_heads * kHeadDim;
    q = ones(width), k = ones(kv_width), v = ones(kv_width);
  }
  Tensor ones(int columns) {
    const Tensor t = arena.take_tensor(static_cast<int>(tokens.size()), columns);
    std::fill_n(t.data, t.size(), 1.0f);
    return t;
  }

  const Shape& shape;
  ThreadPool pool;
  Arena arena;
  CpuOps op;
  KvCache cache;
  int num_prompt_rows;
  std::vector<int> pages, positions;
  std::vector<TokenId> tokens;
  std::vector<BatchSequence> sequences;
  Rotation rotation{kHeadDim, std::vector<float>(kHeadDim / 2, 0.1f)};
  Linear embedding;
  Tensor x, q, k, v;  // of this step
};

struct Fusion {
  const char* name;
  void (*fused)(Step& s, int layer);
  void (*parts)(Step& s, int layer);
};
const Fusion kFusions[] = {
    {"linears", [](Step& s, int i) { s.op.linears(s.x, s.layer(i).q, s.layer(i).k, s.layer(i).v); },
     [](Step& s, int i) {
       for (const Linear* w : {&s.layer(i).q, &s.layer(i).k, &s.layer(i).v}) s.op.linear(s.x, *w);
     }},
    {"rope_attend",
     [](Step& s, int i) { s.op.rope_attend(s.q, s.k, s.v, s.rotation, s.batch(), s.cache[i]); },
     [](Step& s, int i) {
       const Tensor q = s.op.rope(s.q, s.positions, s.rotation);
       const Tensor k = s.op.rope(s.k, s.positions, s.rotation);
       s.op.attend(q, k, s.v, s.batch(), s.cache[i]);
     }},
    {"linear_add", [](Step& s, int i) { s.x = s.op.linear_add(s.x, s.layer(i).o, s.x); },
     [](Step& s, int i) { s.x = s.op.add(s.x, s.op.linear(s.x, s.layer(i).o)); }},
    {"linear_swiglu",
     [](Step& s, int i) { s.op.linear_swiglu(s.x, s.layer(i).gate, s.layer(i).up); },
     [](Step& s, int i) {
       const Tensor gate = s.op.linear(s.x, s.layer(i).gate);
       s.op.swiglu(gate, s.op.linear(s.x, s.layer(i).up));
     }}};

void run(benchmark::State& state, const Shape& shape, int num_rows, void (*call)(Step&, int)) {
  using Clock = std::chrono::steady_clock;
  Step step(shape, num_rows, num_rows > 8);
  int layer = 0;
  const auto timed_call = [&] {
    if (layer == 0) step.begin();
    const auto scratch = step.op.enter_layer(layer);
    const Clock::time_point start = Clock::now();
    call(step, layer);
    layer = (layer + 1) % shape.num_layers;
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < shape.num_layers; ++i) timed_call();  // the first step touches its memory
  for (auto _ : state) state.SetIterationTime(timed_call());
}

const bool kRegistered = [] {
  for (const Fusion& fusion : kFusions)
    for (const Shape& shape : kShapes)
      for (const int rows : {1, 8, 512})
        for (const bool fused : {true, false}) {
          const std::string name = std::string("fusion/") + fusion.name + "/" + shape.name + "/" +
                                   std::to_string(rows) + (fused ? "/fused" : "/parts");
          const auto call = fused ? fusion.fused : fusion.parts;
          benchmark::RegisterBenchmark(
              name.c_str(),
              [&shape, rows, call](benchmark::State& s) { run(s, shape, rows, call); })
              ->UseManualTime()
              ->Unit(benchmark::kMicrosecond);
        }
  return true;
}();

}  // namespace
