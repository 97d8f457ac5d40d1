#include "ops/step_memory.h"

#include <algorithm>

namespace pronk {

void StepMemory::begin(int num_tokens, int head_dim) {
  arena_.give_back_to(0);
  forget_prepared();
  turn_ = 0;
  angles_ = take(num_tokens, head_dim);
}

Tensor StepMemory::take_residuals(int rows, int columns) {
  for (Tensor& r : residuals_) r = take(rows, columns);
  return residuals_[0];
}

Tensor StepMemory::take_turn() { return residuals_[turn_ ^= 1]; }

StepMemory::Prepared& StepMemory::prepare(Tensor x, kernels::ActivationKind kind, int max,
                                          int num_prompt_rows) {
  const bool is_usual = kind != kernels::ActivationKind::kInt8 || max == kernels::kActivationMax;
  const std::size_t slot = is_usual ? static_cast<std::size_t>(kind) : std::size(prepared_) - 1;
  Prepared& p = prepared_[slot];
  p.fresh = prepared_from_[slot] != x.data || p.prompts.num_rows + p.others.num_rows != x.rows;
  if (!p.fresh) return p;
  prepared_from_[slot] = x.data;
  p = {};
  p.others.num_rows = x.rows;
  p.prompts.columns = p.others.columns = x.columns;
  const std::int64_t num_blocks = std::int64_t{x.rows} * p.others.num_blocks();
  switch (kind) {
    case kernels::ActivationKind::kInt8: {
      p.prompts.num_rows = num_prompt_rows;
      p.others.num_rows -= num_prompt_rows;
      p.others.max = max;
      // A value takes 2 bytes as bf16, as integers 1 in the first plane and 2 in the second.
      std::byte* values = arena_.take(3 * x.size());
      p.prompts.bf16 = reinterpret_cast<std::uint16_t*>(values);
      values += 2 * std::int64_t{num_prompt_rows} * x.columns;
      p.others.low = reinterpret_cast<kernels::LowBlock*>(values);
      values += 2 * std::int64_t{p.others.num_rows} * x.columns;
      p.others.high = reinterpret_cast<std::int8_t*>(values);
      p.others.low_ends = arena_.take_array<std::int32_t>(std::int64_t{p.others.num_tiles()} *
                                                          p.others.num_blocks());
      p.others.scales = arena_.take_array<float>(num_blocks);
      p.others.negated_high = arena_.take_array<std::int32_t>(num_blocks * kernels::kBlockSums);
      p.others.scaled_sums = arena_.take_array<float>(num_blocks * kernels::kBlockSums);
      p.others.pairs_high = arena_.take_array<std::int32_t>(num_blocks * kernels::kPairStarts);
      break;
    }
    case kernels::ActivationKind::kBF16:
      p.others.bf16 = arena_.take_array<std::uint16_t>(num_blocks * kernels::kActivationBlock);
      break;
    case kernels::ActivationKind::kF32:
      p.others.f32 = x.data;
      break;
  }
  return p;
}

int StepMemory::most_panels_read(const Linear& w) {
  constexpr std::int64_t kMostBytes = 256 << 10;  // as a run of packed panels
  return static_cast<int>(std::clamp<std::int64_t>(kMostBytes / w.panel_bytes(), 1, 1 << 10));
}

StepMemory::PanelBuffers* StepMemory::take_panel_buffers(
    std::initializer_list<const Linear*> weights) {
  std::int64_t num_floats = 0, panel_bytes = 0;
  for (const Linear* w : weights)
    if (!w->packed_type) {
      num_floats = std::int64_t{kernels::kPanelRows} * w->columns;
      panel_bytes = std::max(panel_bytes, kernels::panel_bytes(DType::kF32, w->columns));
    } else if (w->source) {
      panel_bytes = std::max(panel_bytes, most_panels_read(*w) * w->panel_bytes());
    }
  if (panel_bytes == 0) return nullptr;
  PanelBuffers* buffers = arena_.take_array<PanelBuffers>(num_threads_);
  for (int i = 0; i < num_threads_; ++i) {
    const PanelBuffers b{arena_.take_array<float>(num_floats), arena_.take(panel_bytes)};
    if (arena_.size() > 0) buffers[i] = b;
  }
  return buffers;
}

kernels::AttendState StepMemory::take_state(int rows, int head_dim) {
  return {arena_.take_array<float>(std::int64_t{rows} * kernels::padded_head_dim(head_dim)),
          arena_.take_array<float>(rows), arena_.take_array<float>(rows)};
}

AttendWorkspace StepMemory::take_attend_workspace(int num_tokens, int num_heads,
                                                  const KvShape& shape) {
  const int rows = std::min(num_tokens, kKvPageTokens) * (num_heads / shape.num_kv_heads);
  constexpr std::int64_t kPages = kernels::kSplitKeys / kernels::kPageKeys;
  constexpr std::int64_t kScores = kernels::kMaxQueryRows * kernels::kSplitKeys;
  AttendWorkspace w{};
  w.units = arena_.take_array<AttendUnit>(std::int64_t{num_tokens} * shape.num_kv_heads);
  auto* threads = arena_.take_array<AttendBuffers>(num_threads_);
  for (int i = 0; i < num_threads_; ++i) {
    const AttendBuffers b{
        arena_.take(rows * kernels::kv_query_bytes(shape.type, shape.head_dim)),
        arena_.take_array<int>(rows),
        arena_.take_array<kernels::KvPage>(kPages),
        arena_.take_array<kernels::KvPage>(kPages),
        arena_.take_array<float>(kScores),
        arena_.take_array<float>(kScores),
        arena_.take(kernels::kSplitKeys * kernels::padded_head_dim(shape.head_dim)),
        take_state(rows, shape.head_dim),
        take_state(rows, shape.head_dim)};
    if (arena_.size() > 0) threads[i] = b;
  }
  w.thread = {threads, static_cast<std::size_t>(num_threads_)};
  const int part_rows = 4 * num_threads_ * kKvPageTokens * (num_heads / shape.num_kv_heads);
  w.parts = {take_state(part_rows, shape.head_dim), part_rows, shape.head_dim};
  return w;
}

}  // namespace pronk
