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

constexpr int kPanelsPerItem = 8;

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

// FP8 with scales has no packed kernel: its values, times their scales, are packed as BF16.
DType packed_type_of(const TensorSource& t) { return t.has_scales() ? DType::kBF16 : t.dtype; }

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
        if (w.packed_type && !is_packed(w, find_tensor(source_, w.name)))
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
    if (is_packed(w, t))
      w.panels = std::shared_ptr<const std::byte>(owner, t.panels);
    else if (w.packed_type)
      pack(w, t);
    if (options_.check) PRONK_TRY(check(t));
    return report(t);
  }

 private:
  // Whether the file has the panels as they are wanted.
  static bool is_packed(const Linear& w, const TensorSource& t) {
    return t.panels && w.packed_type == t.dtype;
  }

  void pack(Linear& w, const TensorSource& t) {
    std::byte* panels = arena_->take(w.packed_bytes());
    const std::int64_t num_items = (w.num_panels() + kPanelsPerItem - 1) / kPanelsPerItem;
    const auto item = [&](int i, int thread) {
      const std::int64_t begin = std::int64_t{i} * kPanelsPerItem,
                         end = std::min(w.num_panels(), begin + kPanelsPerItem);
      for (std::int64_t p = begin; p < end; ++p)
        pack_panel(t, *w.packed_type, p, scratch_[static_cast<std::size_t>(thread)],
                   panels + p * w.panel_bytes());
      forget_rows(t, begin * kernels::kPanelRows, end * kernels::kPanelRows);
    };
    pool_.run(static_cast<int>(num_items), std::ref(item));
    forget_rows(t, 0, t.rows);  // the pages where items met
    w.panels = {arena_, panels};
  }

  // Lets the mapped pages of these rows go; a permutation stays within a head, so a few pages may
  // be read again.
  void forget_rows(const TensorSource& t, std::int64_t begin, std::int64_t end) const {
    for (const TensorPiece& p : t.pieces) {
      const std::int64_t first = std::clamp<std::int64_t>(begin - p.row_begin, 0, p.num_rows);
      const std::int64_t last = std::clamp<std::int64_t>(end - p.row_begin, 0, p.num_rows);
      if (first >= last) continue;
      const std::span<const std::byte> bytes(
          p.data + first * p.row_stride, static_cast<std::size_t>((last - first) * p.row_stride));
      for (const auto& file : source_.files) {
        const std::span<const std::byte> whole = file->bytes();
        if (bytes.data() >= whole.data() &&
            bytes.data() + bytes.size() <= whole.data() + whole.size())
          file->forget(bytes);
      }
    }
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
      w.packed_type = fp32 ? DType::kF32 : packed_type_of(find_tensor(source, w.name));
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
