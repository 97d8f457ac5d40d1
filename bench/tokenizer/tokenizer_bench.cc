// Encoding a long text: PRONK_BENCH_TOKENIZER (a model or tokenizer file) on PRONK_BENCH_TEXT, by
// default the tests' small tokenizer on its goldens. That the text comes back is checked before the
// clock starts. bench/tokenizer/compare.py runs it beside tokenizers.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "pronk/tokenizer.h"

namespace {

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value ? value : otherwise;
}

void encode(benchmark::State& state) {
  const auto tokenizer = pronk::Tokenizer::load(
      from_environment("PRONK_BENCH_TOKENIZER", "tests/data/tokenizer/smollm.json"));
  const auto text = pronk::read_file(
      from_environment("PRONK_BENCH_TEXT", "tests/data/tokenizer/goldens.jsonl"), 1u << 30);
  if (!tokenizer || !text) {
    state.SkipWithError((!tokenizer ? tokenizer.error() : text.error()).message.c_str());
    return;
  }
  const std::vector<pronk::TokenId> ids = tokenizer->encode(*text);
  const auto back = tokenizer->decode(ids);
  if (!back || *back != *text) {
    state.SkipWithError("decoding does not give the text back");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer->encode(*text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text->size()));
  state.counters["tokens"] = static_cast<double>(ids.size());
}
BENCHMARK(encode)->Unit(benchmark::kMillisecond);

void load(benchmark::State& state) {
  const std::string path =
      from_environment("PRONK_BENCH_TOKENIZER", "tests/data/tokenizer/smollm.json");
  for (auto _ : state) benchmark::DoNotOptimize(pronk::Tokenizer::load(path));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

}  // namespace
