#include "model/weight_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <mutex>

#include "formats/tensor_panels.h"
#include "kernels/isa.h"
#include "ops/memory.h"

namespace pronk {
namespace {

using kernels::kPanelRows;

constexpr int kPanelsPerItem = 8;
// While steps pack, mapped pages go in larger pieces: each time all threads' cores are told.
constexpr int kPanelsLetGo = 64;

// A model whose values take no more than this as floats keeps them as packed floats for the fp32
// reading, which is several times faster; a larger one is dequantized panel by panel in
// every step.
constexpr std::int64_t kMostFloatBytes = std::int64_t{2} << 30;

const TensorSource& find_tensor(const ModelSource& source, const std::string& name) {
  auto found = source.tensors.find(name + ".weight");
  if (found == source.tensors.end() && name == "lm_head")
    found = source.tensors.find("model.embed_tokens.weight");
  PRONK_CHECK(found != source.tensors.end(),
              "a ModelSource has every tensor that its configuration calls for");
  return found->second;
}

// Whether the file has the panels as they are wanted.
bool has_panels(const TensorSource& t, const Linear& w) {
  return t.panels && w.packed_type == t.dtype;
}

class Loader {
 public:
  Loader(const ModelSource& source, const LoadOptions& options, ThreadPool& pool)
      : source_(source),
        options_(options),
        pool_(pool),
        scratch_(static_cast<std::size_t>(pool.num_threads())) {}

  // Memory for what will be packed, all in one piece: apart, each tensor's ends would lie in pages
  // of 4 KiB, which are read slower than those of 2 MiB.
  Status reserve(LlamaWeights& weights) {
    Arena counted = Arena::counting();
    const auto count = [&](const auto& w) {
      if constexpr (requires { w.packed_type; })
        if (w.packed_type && !has_panels(find_tensor(source_, w.name), w))
          counted.take(w.packed_bytes());
    };
    weights.for_each_tensor(count);
    arena_ =
        std::make_shared<Arena>(PRONK_TRY_IN("load weights", Arena::of_bytes(counted.most_used())));
    return Ok{};
  }

  Status load(NormWeight& w) {
    const TensorSource& t = find_tensor(source_, w.name);
    w.values.resize(static_cast<std::size_t>(w.columns));
    t.read_row(0, w.values.data());
    if (options_.check) PRONK_TRY(check_row(t, 0, w.values.data()));
    return report(t);
  }

  Status load(Linear& w, const std::shared_ptr<const ModelSource>& owner) {
    const TensorSource& t = find_tensor(source_, w.name);
    w.read_row = [owner, &t](std::int64_t row, float* out) { t.read_row(row, out); };
    if (has_panels(t, w))
      w.panels = std::shared_ptr<const std::byte>(owner, t.panels);
    else if (w.packed_type && options_.pack_on_second_use)
      pack_later(w, t, owner);
    else if (w.packed_type)
      pack(w, t);
    if (options_.check) PRONK_TRY(check(t));
    return report(t);
  }

 private:
  void pack(Linear& w, const TensorSource& t) {
    std::byte* panels = arena_->take(w.packed_bytes());
    const std::int64_t num_items = (w.num_panels() + kPanelsPerItem - 1) / kPanelsPerItem;
    const auto item = [&](int i, int thread) {
      const std::int64_t begin = std::int64_t{i} * kPanelsPerItem,
                         end = std::min(w.num_panels(), begin + kPanelsPerItem);
      pack_panels(source_, t, *w.packed_type, begin, end,
                  scratch_[static_cast<std::size_t>(thread)], panels + begin * w.panel_bytes());
      forget_rows(source_, t, begin * kPanelRows, end * kPanelRows);
    };
    pool_.run(static_cast<int>(num_items), std::ref(item));
    forget_rows(source_, t, 0, t.rows);  // the pages where items met
    w.panels = {arena_, panels};
  }

  void pack_later(Linear& w, const TensorSource& t,
                  const std::shared_ptr<const ModelSource>& owner) {
    const auto pack = [owner, &t, type = *w.packed_type, num_panels = w.num_panels(),
                       arena = arena_](int first, int end, bool for_good, std::byte* out) {
      thread_local PanelScratch scratch;  // kept from run to run
      pack_panels(*owner, t, type, first, end, scratch, out);
      if (for_good && first / kPanelsLetGo != end / kPanelsLetGo)
        forget_rows(*owner, t, std::int64_t{first / kPanelsLetGo} * kPanelsLetGo * kPanelRows,
                    std::int64_t{end} * kPanelRows);
      if (for_good && end == num_panels) forget_rows(*owner, t, 0, t.rows);
    };
    w.source = std::make_shared<PanelSource>(pack, arena_->take(w.packed_bytes()), w.panel_bytes());
  }

  Status check_row(const TensorSource& t, std::int64_t row, const float* values) const {
    if (kernels::table().vector.all_finite(values, t.columns)) return Ok{};
    const float* bad =
        std::find_if(values, values + t.columns, [](float x) { return !std::isfinite(x); });
    return error(
        Code::kCorruptData,
        fmt::format("check weights: {}: row {}, column {} is {}, every weight must be finite; "
                    "the file is damaged or its training diverged: get another copy",
                    t.name, row, bad - values, *bad));
  }

  Status check(const TensorSource& t) {
    std::mutex mutex;
    Status first_bad = Ok{};
    std::atomic<bool> bad{false};
    const auto item = [&](int row, int thread) {
      if (bad.load(std::memory_order_relaxed)) return;
      std::vector<float>& values = scratch_[static_cast<std::size_t>(thread)].values;
      values.resize(static_cast<std::size_t>(t.columns));
      t.read_row(row, values.data());
      Status status = check_row(t, row, values.data());
      if (status) return;
      std::lock_guard lock(mutex);
      if (!bad.exchange(true)) first_bad = std::move(status);
    };
    pool_.run(static_cast<int>(t.rows), std::ref(item));
    return first_bad;
  }

  Status report(const TensorSource& t) {
    done_ += t.size_bytes();
    if (options_.progress)
      options_.progress(std::min(done_, source_.weight_bytes()), source_.weight_bytes());
    return Ok{};
  }

  const ModelSource& source_;
  const LoadOptions& options_;
  ThreadPool& pool_;
  std::vector<PanelScratch> scratch_;
  std::shared_ptr<Arena> arena_;  // holds all packed tensors, which share it
  std::int64_t done_ = 0;
};

}  // namespace

LlamaWeights plan_weights(const ModelSource& source, Precision precision) {
  LlamaWeights weights = LlamaWeights::shaped(source.config);
  std::int64_t num_values = 0;
  for (const auto& [name, tensor] : source.tensors) num_values += tensor.rows * tensor.columns;
  const bool fp32 = precision == Precision::kFp32;
  if (fp32 && num_values * static_cast<std::int64_t>(sizeof(float)) > kMostFloatBytes)
    return weights;
  const auto set_type = [&](auto& w) {
    if constexpr (requires { w.packed_type; })
      w.packed_type = fp32 ? DType::kF32 : panel_type(find_tensor(source, w.name));
  };
  weights.for_each_tensor(set_type);
  weights.embedding.packed_type.reset();
  return weights;
}

Result<LlamaWeights> load_weights(std::shared_ptr<const ModelSource> source,
                                  const LoadOptions& options, ThreadPool& pool) {
  LlamaWeights weights = plan_weights(*source, options.precision);
  for (const auto& file : source->files) file->forget(file->bytes());  // read for its metadata
  Loader loader(*source, options, pool);
  Status status = loader.reserve(weights);
  const auto load = [&](auto& w) {
    if (!status) return;
    if constexpr (requires { w.read_row; })
      status = loader.load(w, source);
    else
      status = loader.load(w);
  };
  weights.for_each_tensor(load);
  PRONK_TRY(std::move(status));
  PRONK_TRY_IN("load weights", source->check_intact());
  return weights;
}

std::int64_t bytes_to_pack(LlamaWeights& weights) {
  std::int64_t sum = 0;
  const auto count = [&sum](const auto& w) {
    if constexpr (requires { w.source; })
      if (w.source) sum += w.packed_bytes();
  };
  weights.for_each_tensor(count);
  return sum;
}

std::int64_t resident_bytes(LlamaWeights& weights) {
  std::int64_t sum = 0;
  const auto count = [&sum](const auto& w) {
    if constexpr (requires { w.packed_type; })
      sum += w.packed_bytes();
    else
      sum += w.columns * static_cast<std::int64_t>(sizeof(float));
  };
  weights.for_each_tensor(count);
  return sum;
}

}  // namespace pronk
