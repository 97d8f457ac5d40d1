// Where a step's values lie. CpuOps and PlanOps take through this one class, so what is planned is
// what is used.
//
//   angles | residual A | residual B | scratch of the layer ... given back when the layer ends
//
// The residual stream lies outside the scratch in two buffers that take turns, so a layer's result
// outlasts its scratch.
#pragma once
#include <initializer_list>
#include <span>

#include "ops/batch.h"
#include "ops/kv_cache.h"
#include "ops/linear.h"
#include "ops/memory.h"
#include "ops/tensor.h"

namespace pronk {

// The tokens of one sequence in one page, with the query heads that share one kv head: what is
// stored, and then attended for, at once.
struct AttendUnit {
  const BatchSequence* sequence;
  int kv_head;
  int first;  // token of the sequence's rows
  int num_tokens;
};

// What one thread needs to attend for the rows of one unit.
struct AttendBuffers {
  std::byte* q;                         // [rows] queries in the cache's numbers
  int* num_visible;                     // [rows]
  kernels::KvPage *pages, *next_pages;  // [kSplitKeys / kPageKeys]
  float* scores;                        // [kMaxQueryRows, kSplitKeys]
  float* weights;                       // the same, as the cache's numbers
  std::byte* values;                    // [kSplitKeys, padded_head_dim]
  kernels::AttendState part, state;
};

// Partial results of splits that are computed side by side, `num_rows` of them in all.
struct AttendParts {
  kernels::AttendState rows;
  int num_rows, head_dim;

  kernels::AttendState from(std::int64_t row) const {
    return {rows.value + row * kernels::padded_head_dim(head_dim), rows.max + row, rows.sum + row};
  }
  // Of the parts of `rows_each` rows, the i-th.
  kernels::AttendState at(int i, int rows_each) const { return from(std::int64_t{i} * rows_each); }
};

struct AttendWorkspace {
  AttendUnit* units;                // [T · G]
  std::span<AttendBuffers> thread;  // one for each
  AttendParts parts;
};

// One step at a time; one thread.
class StepMemory {
 public:
  StepMemory(Arena& arena, int num_threads) : arena_(arena), num_threads_(num_threads) {}

  // Gives the last step's memory back; takes the table of angles [num_tokens, head_dim].
  void begin(int num_tokens, int head_dim);
  Tensor angles() const { return angles_; }

  Tensor take(int rows, int columns) { return arena_.take_tensor(rows, columns); }
  Tensor take_residuals(int rows, int columns);  // embed: makes both buffers, gives the first
  Tensor take_turn();                            // add: the buffer whose turn it is

  // x as weights want it that are multiplied with this kind and, if that is kInt8, with integers up
  // to `max`; of kInt8, the first num_prompt_rows as kBF16. `fresh` when
  // it has to be filled yet: the same x, asked for again in the same layer, is not made twice.
  // Takes the same memory whatever num_prompt_rows is.
  struct Prepared {
    kernels::Activations prompts, others;  // their rows together: those of x
    bool fresh = true;
  };
  Prepared& prepare(Tensor x, kernels::ActivationKind kind, int max, int num_prompt_rows);

  // For each thread, what it packs where the weights, which have the same number of columns, are
  // not packed; null where all are.
  struct PanelBuffers {
    float* rows;        // [kPanelRows, columns]: of weights that are read as floats
    std::byte* panels;  // one of type F32, or so many as most_panels_read
  };
  PanelBuffers* take_panel_buffers(std::initializer_list<const Linear*> weights);
  // Of panels that come from a PanelSource, how many one thread packs together.
  static int most_panels_read(const Linear& w);
  AttendWorkspace take_attend_workspace(int num_tokens, int num_heads, const KvShape& shape);

  // Until its end everything taken but the residuals belongs to a layer.
  class Layer {
   public:
    explicit Layer(StepMemory& memory) : memory_(memory), scope_(memory.arena_) {}
    ~Layer() { memory_.forget_prepared(); }

   private:
    StepMemory& memory_;
    ArenaScope scope_;
  };
  Arena& arena() { return arena_; }
  int num_threads() const { return num_threads_; }

 private:
  void forget_prepared() {
    for (const float*& x : prepared_from_) x = nullptr;
  }
  kernels::AttendState take_state(int rows, int head_dim);

  Arena& arena_;
  int num_threads_;
  Tensor angles_, residuals_[2];
  int turn_ = 0;
  // By ActivationKind, the last ones kInt8 with a max other than kActivationMax.
  Prepared prepared_[4];
  const float* prepared_from_[4] = {};
};

}  // namespace pronk
