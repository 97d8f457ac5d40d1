// softmax(q kᵀ / √K + causal mask) v over paged keys and values.
//
// Keys are taken in splits of 512, at absolute positions. A split gives (value, max, sum) of its
// own, and splits are folded in order, always by the same kernel: so it makes no difference to a
// bit whether one thread walks over all splits, or threads share them, or the sequence was read in
// one step or in many.
#include <algorithm>
#include <cmath>
#include <functional>

#include "ops/cpu_ops.h"

namespace pronk {
namespace {

using kernels::AttendState;
using kernels::kSplitKeys;

// What stays the same during one attend.
struct Attention {
  const kernels::VectorKernels& kernels;
  Tensor q, y;
  KvLayer kv;
  int head_dim, num_heads, group;  // query heads to each kv head

  int position(const AttendUnit& u, int token) const { return u.sequence->start + u.first + token; }
  int num_rows(const AttendUnit& u) const { return u.num_tokens * group; }
  int num_splits(const AttendUnit& u) const {
    return position(u, u.num_tokens - 1) / kSplitKeys + 1;
  }

  // The unit's queries: each token's heads that share the kv head, divided by √K.
  void gather(const AttendUnit& u, AttendBuffers& b) const {
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
    const std::int64_t width = std::int64_t{group} * head_dim;
    for (int t = 0; t < u.num_tokens; ++t)
      kernels.scale(q.row(u.sequence->first_row + u.first + t) + u.kv_head * width, scale, width,
                    b.q + t * width);
  }

  // What the unit's rows see of one split.
  void attend_split(const AttendUnit& u, int split, AttendBuffers& b,
                    const AttendState& out) const {
    const int begin = split * kSplitKeys;
    for (int r = 0; r < num_rows(u); ++r)
      b.num_visible[r] = std::clamp(position(u, r / group) + 1 - begin, 0, kSplitKeys);
    const int num_keys = std::min(position(u, u.num_tokens - 1) + 1 - begin, kSplitKeys);
    for (int p = 0; p * kKvPageTokens < num_keys; ++p)
      b.pages[p] = kv.head(u.sequence->pages[static_cast<std::size_t>(begin / kKvPageTokens + p)],
                           u.kv_head);
    const kernels::AttendSplit s{b.q, b.num_visible, b.pages, b.scores, num_rows(u), head_dim};
    (kv.shape.bf16 ? kernels.attend_bf16 : kernels.attend_f32)(s, out);
  }

  // state = split `split`, or state and then it.
  void fold(const AttendUnit& u, int split, const AttendState& part,
            const AttendState& state) const {
    if (split > 0) return kernels.attend_fold(state, part, num_rows(u), head_dim);
    std::copy_n(part.value, num_rows(u) * kernels::padded_head_dim(head_dim), state.value);
    std::copy_n(part.max, num_rows(u), state.max);
    std::copy_n(part.sum, num_rows(u), state.sum);
  }

  void write(const AttendUnit& u, const AttendState& state) const {
    for (int r = 0; r < num_rows(u); ++r) {
      const int head = u.kv_head * group + r % group;
      kernels.scale(state.value + static_cast<std::int64_t>(r) * kernels::padded_head_dim(head_dim),
                    1.0f / state.sum[r], head_dim,
                    y.row(u.sequence->first_row + u.first + r / group) + head * head_dim);
    }
  }

  void whole_unit(const AttendUnit& u, AttendBuffers& b) const {
    gather(u, b);
    for (int split = 0; split < num_splits(u); ++split) {
      attend_split(u, split, b, split == 0 ? b.state : b.part);
      if (split > 0) fold(u, split, b.part, b.state);
    }
    write(u, b.state);
  }

  // Threads share the splits of a unit, as many at a time as there is room for.
  void shared_unit(const AttendUnit& u, const AttendWorkspace& work, ThreadPool& pool) const {
    const int num_parts = static_cast<int>(work.parts.size());
    for (int first = 0; first < num_splits(u); first += num_parts) {
      const int count = std::min(num_parts, num_splits(u) - first);
      const auto item = [&](int i, int thread) {
        AttendBuffers& b = work.thread[static_cast<std::size_t>(thread)];
        gather(u, b);
        attend_split(u, first + i, b, work.parts[static_cast<std::size_t>(i)]);
      };
      pool.run(count, std::ref(item));
      for (int i = 0; i < count; ++i)
        fold(u, first + i, work.parts[static_cast<std::size_t>(i)], work.thread[0].state);
    }
    write(u, work.thread[0].state);
  }
};

int list_units(const Batch& batch, int num_kv_heads, AttendUnit* units) {
  int n = 0;
  for (const BatchSequence& s : batch.sequences)
    for (int first = 0; first < s.num_rows; first += kAttendUnitTokens)
      for (int g = 0; g < num_kv_heads; ++g)
        units[n++] = {&s, g, first, std::min(kAttendUnitTokens, s.num_rows - first)};
  return n;
}

// One token's key or value of one head as it is stored.
void store_key(const float* k, int head_dim, int slot, bool bf16,
               const kernels::VectorKernels& kernels, std::byte* head) {
  if (bf16) {
    auto* out = reinterpret_cast<std::uint16_t*>(head) + slot;
    std::uint16_t part[64];
    for (int begin = 0; begin < head_dim; begin += 64) {
      const int count = std::min(64, head_dim - begin);
      kernels.f32_to_bf16(k + begin, count, part);
      for (int d = 0; d < count; ++d) out[(begin + d) * kKvPageTokens] = part[d];
    }
  } else {
    auto* out = reinterpret_cast<float*>(head) + slot;
    for (int d = 0; d < head_dim; ++d) out[d * kKvPageTokens] = k[d];
  }
}

void store_value(const float* v, int head_dim, int slot, bool bf16,
                 const kernels::VectorKernels& kernels, std::byte* head) {
  const std::int64_t at = std::int64_t{head_dim} * kKvPageTokens +
                          std::int64_t{slot} * kernels::padded_head_dim(head_dim);
  if (bf16)
    kernels.f32_to_bf16(v, head_dim, reinterpret_cast<std::uint16_t*>(head) + at);
  else
    std::copy_n(v, head_dim, reinterpret_cast<float*>(head) + at);
}

}  // namespace

void CpuOps::store(Tensor k, Tensor v, const Batch& batch, KvLayer kv) {
  const int num_kv_heads = kv.shape.num_kv_heads, head_dim = kv.shape.head_dim;
  const auto item = [&](int i, int) {
    const BatchSequence& s = batch.sequences[static_cast<std::size_t>(i / num_kv_heads)];
    const int g = i % num_kv_heads;
    for (int t = 0; t < s.num_rows; ++t) {
      const int position = s.start + t, slot = position % kKvPageTokens;
      std::byte* head = kv.head(s.pages[static_cast<std::size_t>(position / kKvPageTokens)], g);
      store_key(k.row(s.first_row + t) + g * head_dim, head_dim, slot, kv.shape.bf16, table_.vector,
                head);
      store_value(v.row(s.first_row + t) + g * head_dim, head_dim, slot, kv.shape.bf16,
                  table_.vector, head);
    }
  };
  pool_.run(static_cast<int>(batch.sequences.size()) * num_kv_heads, std::ref(item));
}

Tensor CpuOps::attend(Tensor q, Tensor k, Tensor v, const Batch& batch, KvLayer kv) {
  const KvShape& shape = kv.shape;
  const int num_heads = q.columns / shape.head_dim;
  PRONK_CHECK(q.rows == k.rows && q.rows == v.rows && q.columns % shape.head_dim == 0,
              "q, k and v are of the same tokens");
  PRONK_CHECK(k.columns == shape.num_kv_heads * shape.head_dim && v.columns == k.columns &&
                  num_heads % shape.num_kv_heads == 0,
              "k and v have the cache's heads");
  store(k, v, batch, kv);
  const Tensor y = memory_.take(q.rows, q.columns);
  ArenaScope scope(memory_.arena());
  const AttendWorkspace work = memory_.take_attend_workspace(q.rows, num_heads, shape);
  const Attention a{
      table_.vector, q, y, kv, shape.head_dim, num_heads, num_heads / shape.num_kv_heads};
  const int num_units = list_units(batch, shape.num_kv_heads, work.units);
  if (num_units >= 2 * pool_.num_threads()) {
    const auto item = [&](int i, int thread) {
      a.whole_unit(work.units[i], work.thread[static_cast<std::size_t>(thread)]);
    };
    pool_.run(num_units, std::ref(item));
  } else {
    for (int i = 0; i < num_units; ++i) a.shared_unit(work.units[i], work, pool_);
  }
  return y;
}

}  // namespace pronk
