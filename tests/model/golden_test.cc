// Every value of the forward pass against python/reference (PyTorch, float64), and published gold
// of stories260K.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <span>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"
#include "kernels/isa.h"
#include "model/llama_forward.h"
#include "model/plan.h"
#include "model/runner.h"
#include "ops/cpu_ops.h"
#include "ops/trace_ops.h"
#include "support.h"
#include "text/json.h"

namespace pronk {
namespace {

const std::filesystem::path kRoot = PRONK_SOURCE_DIR;

template <class T>
std::vector<T> values_of(const SafetensorsEntry& entry) {
  std::vector<T> v(static_cast<std::size_t>(entry.num_values()));
  std::memcpy(v.data(), entry.data.data(), entry.data.size());
  return v;
}

// What the reference wrote: values by name, tokens, greedy tokens.
struct Golden {
  std::map<std::string, std::vector<float>> values;
  std::vector<TokenId> tokens, greedy;

  explicit Golden(const std::filesystem::path& path) {
    const std::string bytes = *read_file(path);
    const SafetensorsFile file = *parse_safetensors(std::as_bytes(std::span(bytes)));
    for (const auto& [name, entry] : file.entries)
      if (name == "tokens")
        tokens = values_of<TokenId>(entry);
      else if (name == "greedy")
        greedy = values_of<TokenId>(entry);
      else
        values[name] = values_of<float>(entry);
  }
};

std::vector<int> counting(int n, int from = 0) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), from);
  return v;
}

// Every value of one prefill, by TraceOps' names.
std::map<std::string, std::vector<float>> trace(const Model& model,
                                                const std::vector<TokenId>& tokens,
                                                const kernels::KernelTable& table) {
  const int n = static_cast<int>(tokens.size());
  ThreadPool pool(2);
  const KvShape shape = *kv_shape(model.config(), model.precision());
  Arena arena = *Arena::of_bytes(step_arena_bytes(model.config(), model.weights(), shape, 2, n, n));
  const KvCache kv = *KvCache::create(shape, 4);
  CpuOps cpu(table, pool, arena, kernels::SecondPlane::kFast);
  std::map<std::string, std::vector<float>> seen;
  TraceOps<CpuOps> op(cpu, [&](std::string_view name, Tensor t) {
    EXPECT_TRUE(seen.try_emplace(std::string(name), t.data, t.data + t.size()).second)
        << name << " shown twice";
  });
  const std::vector<int> positions = counting(n), pages = counting(4);
  const BatchSequence sequence{0, n, 0, pages};
  cpu.begin_step(n, model.config().head_dim);
  forward(op, model.config(), model.weights(), {tokens, positions, {&sequence, 1}, positions}, kv);
  return seen;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected,
                 double tolerance, const std::string& name) {
  ASSERT_EQ(found.size(), expected.size()) << name;
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double difference =
        std::abs(double{found[i]} - expected[i]) / (1 + std::abs(double{expected[i]}));
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  EXPECT_LE(worst, tolerance) << name;
}

// Feeds tokens one step at a time; logits of each.
class Decoder {
 public:
  explicit Decoder(std::shared_ptr<const Model> model)
      : runner_(*make_cpu_runner(std::move(model),
                                 {.num_threads = 2, .num_kv_pages = 16, .max_batch_tokens = 64})),
        pages_(counting(16)) {}
  std::span<float> feed(std::vector<TokenId> tokens) {
    const int n = static_cast<int>(tokens.size()), last = n - 1;
    const std::vector<int> positions = counting(n, done_);
    const BatchSequence sequence{0, n, done_, pages_};
    done_ += n;
    return *runner_->step({tokens, positions, {&sequence, 1}, {&last, 1}});
  }
  static TokenId best(std::span<const float> logits) {
    return static_cast<TokenId>(
        kernels::table().vector.argmax(logits.data(), static_cast<std::int64_t>(logits.size())));
  }

 private:
  std::unique_ptr<Runner> runner_;
  std::vector<int> pages_;
  int done_ = 0;
};

std::vector<TokenId> greedy(const std::shared_ptr<const Model>& model,
                            const std::vector<TokenId>& prompt, std::size_t count) {
  Decoder decoder(model);
  std::vector<TokenId> tokens = {Decoder::best(decoder.feed(prompt))};
  while (tokens.size() < count) tokens.push_back(Decoder::best(decoder.feed({tokens.back()})));
  return tokens;
}

std::shared_ptr<const Model> load(const std::filesystem::path& path,
                                  Precision precision = Precision::kFp32) {
  auto model = Model::load(path, {.precision = precision});
  if (!model) ADD_FAILURE() << model.error().message;
  return model ? *model : nullptr;
}

TEST(Golden, EveryValueOfARandomLlamaIsTheReferences) {
  const std::filesystem::path folder = kRoot / "tests/golden/random_llama";
  const Golden golden(folder / "golden.safetensors");
  const auto model = load(folder);
  ASSERT_TRUE(model);
  for (const kernels::KernelTable* table : kernels::usable_tables()) {
    const auto seen = trace(*model, golden.tokens, *table);
    EXPECT_EQ(seen.size(), golden.values.size()) << "a value that only one side knows";
    for (const auto& [name, expected] : golden.values) {
      ASSERT_TRUE(seen.count(name)) << name;
      expect_near(seen.at(name), expected, 3e-6, std::string(table->name) + ": " + name);
    }
  }
  EXPECT_EQ(greedy(model, golden.tokens, golden.greedy.size()), golden.greedy);
}

TEST(Golden, TheModelOfTheRepositoryGivesTheReferencesLogits) {
  const Golden golden(kRoot / "tests/golden/tiny.safetensors");
  const auto model = load(kRoot / "models/tiny.gguf");
  ASSERT_TRUE(model);
  const auto seen = trace(*model, golden.tokens, kernels::table());
  for (const auto& [name, expected] : golden.values) {
    ASSERT_TRUE(seen.count(name)) << name;
    expect_near(seen.at(name), expected, 2e-5, name);
  }
  EXPECT_EQ(greedy(model, golden.tokens, golden.greedy.size()), golden.greedy);
}

// llama2.c's run.c: logits rounded to five decimals, and what it goes on to say.
TEST(Golden, Stories260KGivesItsGold) {
  PRONK_NEEDS_SHARED(folder, "models/stories260K");
  const std::string text = *read_file(folder / "gold_stories260K.json");
  const json::value gold = *parse_json(text);
  const auto ids = [&gold](const char* key) {
    std::vector<TokenId> v;
    for (const json::value& id : gold.at(key).as_array()) v.push_back(id.to_number<TokenId>());
    return v;
  };
  for (const char* name : {"stories260K.bin", "stories260K.gguf"}) {
    const auto model = load(folder / name);
    ASSERT_TRUE(model);
    Decoder decoder(model);
    for (const json::value& step : gold.at("steps").as_array()) {
      const std::span<float> logits =
          decoder.feed({static_cast<TokenId>(step.at("in").to_number<int>())});
      std::vector<float> published;
      for (const json::value& x : step.at("logits").as_array())
        published.push_back(x.to_number<float>());
      expect_near({logits.begin(), logits.end()}, published, 3e-5,
                  fmt::format("{} at {}", name, step.at("pos").to_number<int>()));
      EXPECT_EQ(Decoder::best(logits), step.at("argmax").to_number<int>());
    }
    EXPECT_EQ(greedy(model, ids("prompt_ids"), ids("greedy_ids").size()), ids("greedy_ids"))
        << name;
  }
}

}  // namespace
}  // namespace pronk
