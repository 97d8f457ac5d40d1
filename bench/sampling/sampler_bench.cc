// One pick from a row of Llama 3's 128,256 logits: pick/NAME/SHAPE, where 0 is a row as a trained
// model gives (a few likely tokens over a broad floor), 1 a nearly flat one. Copying the row anew
// is part of the time; `copy` is what that takes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "pronk/sampling.h"

namespace {

constexpr int kVocabSize = 128256;

std::vector<float> row_of(int shape) {
  std::vector<float> row(kVocabSize);
  for (std::size_t i = 0; i < row.size(); ++i) {
    double sum = -3;  // near-normal: a sum of six uniforms
    for (std::uint64_t j = 0; j < 6; ++j) sum += pronk::random_unit(1, 6 * i + j);
    row[i] = static_cast<float>(sum * (shape == 0 ? 3 : 0.3));
  }
  if (shape == 0)
    for (std::size_t i = 0; i < 20; ++i) row[i * 6007] = 16 - static_cast<float>(i) / 2;
  return row;
}

void pick(benchmark::State& state, const pronk::SamplingParams& params) {
  const std::vector<float> row = row_of(static_cast<int>(state.range(0)));
  std::vector<float> logits(row.size());
  auto sampler = pronk::Sampler::create(params, kVocabSize);
  if (!sampler) return state.SkipWithError(sampler.error().message.c_str());
  for (int i = 0; i < 2048; ++i) sampler->accept((i * 331) % kVocabSize);
  for (auto _ : state) {
    std::copy(row.begin(), row.end(), logits.begin());
    auto picked = sampler->pick(logits);
    if (!picked) return state.SkipWithError(picked.error().message.c_str());
    sampler->accept(picked->token);  // as in a reply: the next draw is another one
  }
}

void copy(benchmark::State& state) {
  const std::vector<float> row = row_of(0);
  std::vector<float> logits(row.size());
  for (auto _ : state) {
    std::copy(row.begin(), row.end(), logits.begin());
    benchmark::DoNotOptimize(logits.data());
  }
}

using Params = pronk::SamplingParams;

BENCHMARK(copy)->Unit(benchmark::kMicrosecond);
#define PICK(name, ...) \
  BENCHMARK_CAPTURE(pick, name, Params{__VA_ARGS__})->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond)
PICK(greedy, .temperature = 0);
PICK(temperature, .temperature = 0.6);
PICK(llama, .temperature = 0.6, .top_p = 0.9);
PICK(top_k, .temperature = 0.6, .top_k = 40);
PICK(min_p, .temperature = 0.6, .min_p = 0.05);
PICK(typical, .temperature = 0.6, .typical_p = 0.9);
PICK(mirostat, .temperature = 0.6, .mirostat = 2);
PICK(logprobs, .temperature = 0, .num_logprobs = 20);
PICK(all, .temperature = 0.6, .top_k = 40, .top_p = 0.9, .min_p = 0.05, .repeat_penalty = 1.1,
     .presence_penalty = 0.1, .frequency_penalty = 0.1, .repeat_last_n = 64);
PICK(all_but_top_k, .temperature = 0.6, .top_p = 0.9, .min_p = 0.05, .repeat_penalty = 1.1,
     .presence_penalty = 0.1, .frequency_penalty = 0.1, .repeat_last_n = 64);

}  // namespace
