// softmax(q kᵀ / √K + causal mask) v over paged keys and values.
//
// Keys are taken in splits of 512, at absolute positions. A split gives (value, max, sum) of its
// own, and splits are folded in order, always by the same kernel: so it makes no difference to a
// bit whether one thread walks over all splits, or threads share them, or the sequence was read in
// one step or in many.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "ops/cpu_ops.h"

namespace pronk {
namespace {

using kernels::AttendState;
using kernels::kSplitKeys;

// What stays the same during one attend.
struct Attention {
  const kernels::KernelTable& table;
  Tensor q, k, v, y;
  Tensor angles;  // by which q and k have yet to be turned; none: they are
  KvLayer kv;
  int head_dim, group;  // query heads to each kv head

  const kernels::CacheKernels& cache() const {
    return table.attend.cache[static_cast<std::size_t>(kv.shape.type)];
  }
  int position(const AttendUnit& u, int token) const { return u.sequence->start + u.first + token; }
  int row(const AttendUnit& u, int token) const { return u.sequence->first_row + u.first + token; }
  kernels::KvPage page(const AttendUnit& u, int i) const {
    return kv.head(u.sequence->pages[static_cast<std::size_t>(i)], u.kv_head);
  }
  int num_rows(const AttendUnit& u) const { return u.num_tokens * group; }
  int num_splits(const AttendUnit& u) const {
    return position(u, u.num_tokens - 1) / kSplitKeys + 1;
  }

  int num_part_rows(const AttendUnit& u) const { return num_splits(u) * num_rows(u); }
  int total_splits(std::span<const AttendUnit> units) const {
    int sum = 0;
    for (const AttendUnit& u : units) sum += num_splits(u);
    return sum;
  }

  // The unit's queries: each token's heads that share the kv head.
  void gather(const AttendUnit& u, AttendBuffers& b) const {
    const double factor = std::numbers::log2e / std::sqrt(static_cast<double>(head_dim));
    const std::int64_t bytes = kernels::kv_query_bytes(kv.shape.type, head_dim);
    for (int r = 0; r < num_rows(u); ++r)
      cache().take_query(q.row(row(u, r / group)) + (u.kv_head * group + r % group) * head_dim,
                         static_cast<float>(factor), head_dim, b.q + r * bytes);
  }

  // What the unit's rows see of one split.
  void attend_split(const AttendUnit& u, int split, AttendBuffers& b,
                    const AttendState& out) const {
    const int begin = split * kSplitKeys;
    for (int r = 0; r < num_rows(u); ++r)
      b.num_visible[r] = std::clamp(position(u, r / group) + 1 - begin, 0, kSplitKeys);
    const int last = position(u, u.num_tokens - 1);
    const int end = std::min(last + 1, begin + kSplitKeys);
    for (int key = begin, p = 0; key < end; key += kKvPageTokens, ++p) {
      b.pages[p] = page(u, key / kKvPageTokens);
      const int next = key + kSplitKeys;
      b.next_pages[p] = next <= last ? page(u, next / kKvPageTokens) : b.pages[p];
    }
    cache().attend({b.q, b.num_visible, b.pages, b.next_pages, b.scores, b.weights, b.values,
                    num_rows(u), head_dim},
                   out);
  }

  // state = split `split`, or state and then it.
  void fold(const AttendUnit& u, int split, const AttendState& part,
            const AttendState& state) const {
    if (split > 0) return table.attend.fold(state, part, num_rows(u), head_dim);
    std::copy_n(part.value, num_rows(u) * kernels::padded_head_dim(head_dim), state.value);
    std::copy_n(part.max, num_rows(u), state.max);
    std::copy_n(part.sum, num_rows(u), state.sum);
  }

  void write(const AttendUnit& u, const AttendState& state) const {
    for (int r = 0; r < num_rows(u); ++r)
      cache().give_value(
          state.value + static_cast<std::int64_t>(r) * kernels::padded_head_dim(head_dim),
          1.0f / state.sum[r], head_dim,
          y.row(row(u, r / group)) + (u.kv_head * group + r % group) * head_dim);
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
    const int num_parts = work.parts.num_rows / num_rows(u);
    for (int first = 0; first < num_splits(u); first += num_parts) {
      const int count = std::min(num_parts, num_splits(u) - first);
      const auto item = [&](int i, int thread) {
        AttendBuffers& b = work.thread[static_cast<std::size_t>(thread)];
        gather(u, b);
        attend_split(u, first + i, b, work.parts.at(i, num_rows(u)));
      };
      pool.run(count, std::ref(item));
      for (int i = 0; i < count; ++i)
        fold(u, first + i, work.parts.at(i, num_rows(u)), work.thread[0].state);
    }
    write(u, work.thread[0].state);
  }

  // Threads share the splits of all these units, for which there is room.
  void shared_units(std::span<const AttendUnit> units, const AttendWorkspace& work,
                    ThreadPool& pool) const {
    const auto item = [&](int i, int thread) {
      const AttendUnit* u = units.data();
      int row = 0;
      for (; i >= num_splits(*u); i -= num_splits(*u), ++u) row += num_part_rows(*u);
      AttendBuffers& b = work.thread[static_cast<std::size_t>(thread)];
      gather(*u, b);
      attend_split(*u, i, b, work.parts.from(row + i * num_rows(*u)));
    };
    pool.run(total_splits(units), std::ref(item));
    int row = 0;
    for (const AttendUnit& u : units) {
      for (int split = 0; split < num_splits(u); ++split, row += num_rows(u))
        fold(u, split, work.parts.from(row), work.thread[0].state);
      write(u, work.thread[0].state);
    }
  }

  // So many units together as there is room for, or the splits of one.
  void shared(std::span<const AttendUnit> units, const AttendWorkspace& work,
              ThreadPool& pool) const {
    while (!units.empty()) {
      std::size_t count = 0;
      for (int rows = 0; count < units.size(); ++count)
        if ((rows += num_part_rows(units[count])) > work.parts.num_rows) break;
      if (count == 0) {
        shared_unit(units[count++], work, pool);
      } else {
        shared_units(units.first(count), work, pool);
      }
      units = units.subspan(count);
    }
  }

  // The unit's heads of q and k, in place.
  void turn(const AttendUnit& u) const {
    const int half = head_dim / 2, q_dims = group * head_dim;
    for (int i = row(u, 0); i < row(u, u.num_tokens); ++i) {
      const float* a = angles.row(i);
      table.vector.rope(q.row(i) + u.kv_head * q_dims, a, a + half, group, head_dim);
      table.vector.rope(k.row(i) + u.kv_head * head_dim, a, a + half, 1, head_dim);
    }
  }

  void turn_and_store(const AttendUnit& u) const {
    if (angles.data) turn(u);
    const int first = position(u, 0);
    cache().store(
        {.keys = k.row(row(u, 0)) + u.kv_head * head_dim,
         .values = v.row(row(u, 0)) + u.kv_head * head_dim,
         .stride = k.columns,
         .first_slot = first % kKvPageTokens,
         .num_tokens = u.num_tokens,
         .head_dim = head_dim},
        kv.head(u.sequence->pages[static_cast<std::size_t>(first / kKvPageTokens)], u.kv_head));
  }
};

// Sequences are cut where pages end: no two units write to one page of one head.
std::span<const AttendUnit> list_units(const Batch& batch, int num_kv_heads, AttendUnit* units) {
  std::size_t n = 0;
  for (const BatchSequence& s : batch.sequences)
    for (int first = 0, count = 0; first < s.num_rows; first += count) {
      count = std::min(kKvPageTokens - (s.start + first) % kKvPageTokens, s.num_rows - first);
      for (int g = 0; g < num_kv_heads; ++g) units[n++] = {&s, g, first, count};
    }
  return {units, n};
}

// Whether threads should share splits rather than units. Many units balance by themselves; of few,
// those with many splits balance better when cut.
bool shares_splits(int num_units, int most_splits, int total_splits, int num_threads) {
  const auto rounds = [&](int items) { return (items + num_threads - 1) / num_threads; };
  return num_threads > 1 && num_units < 8 * num_threads &&
         rounds(total_splits) < rounds(num_units) * most_splits;
}

}  // namespace

Tensor CpuOps::attend(Tensor q, Tensor k, Tensor v, const Batch& batch, KvLayer kv) {
  return attend_turned(q, k, v, {}, batch, kv);
}

Tensor CpuOps::rope_attend(Tensor q, Tensor k, Tensor v, const Rotation& rotation,
                           const Batch& batch, KvLayer kv) {
  PRONK_CHECK(rotation.head_dim == kv.shape.head_dim, "the rotation is for the cache's heads");
  return attend_turned(q, k, v, angles(batch.positions, rotation), batch, kv);
}

Tensor CpuOps::attend_turned(Tensor q, Tensor k, Tensor v, Tensor angles, const Batch& batch,
                             KvLayer kv) {
  const KvShape& shape = kv.shape;
  const int num_heads = q.columns / shape.head_dim;
  PRONK_CHECK(q.rows == k.rows && q.rows == v.rows && q.columns % shape.head_dim == 0,
              "q, k and v are of the same tokens");
  PRONK_CHECK(k.columns == shape.num_kv_heads * shape.head_dim && v.columns == k.columns &&
                  num_heads % shape.num_kv_heads == 0,
              "k and v have the cache's heads");
  const Tensor y = memory_.take(q.rows, q.columns);
  ArenaScope scope(memory_.arena());
  const AttendWorkspace work = memory_.take_attend_workspace(q.rows, num_heads, shape);
  const std::span units = list_units(batch, shape.num_kv_heads, work.units);
  const int num_units = static_cast<int>(units.size());
  const Attention a{table_, q, k, v, y, angles, kv, shape.head_dim, num_heads / shape.num_kv_heads};
  const auto unit = [&](int i) -> const AttendUnit& { return units[static_cast<std::size_t>(i)]; };

  int most_splits = 0;
  for (const AttendUnit& u : units) most_splits = std::max(most_splits, a.num_splits(u));
  const bool shared =
      shares_splits(num_units, most_splits, a.total_splits(units), pool_.num_threads());
  // Where a sequence has several units for a head, they attend to what the earlier ones store.
  const bool apart = shared || num_units > std::ssize(batch.sequences) * shape.num_kv_heads;
  const auto store = [&](int i, int) { a.turn_and_store(unit(i)); };
  constexpr int kFewTokens = 8;  // are stored sooner than a thread wakes
  if (apart && q.rows <= kFewTokens) {
    for (int i = 0; i < num_units; ++i) store(i, 0);
  } else if (apart) {
    pool_.run(num_units, std::ref(store));
  }
  if (shared) {
    a.shared(units, work, pool_);
    return y;
  }
  const auto attend = [&](int i, int thread) {
    if (!apart) a.turn_and_store(unit(i));
    a.whole_unit(unit(i), work.thread[static_cast<std::size_t>(thread)]);
  };
  pool_.run(num_units, std::ref(attend));
  return y;
}

}  // namespace pronk
