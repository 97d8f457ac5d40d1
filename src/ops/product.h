// y = x Wᵀ, cut into what one thread computes at a time.
#pragma once
#include <functional>
#include <numeric>
#include <span>

#include "base/thread_pool.h"
#include "kernels/linear_kernels.h"
#include "ops/linear.h"
#include "ops/step_memory.h"
#include "ops/tensor.h"

namespace pronk {

// A thread's portion of a product: panels [first, end), which are columns of y, times a block of
// rows.
struct Portion {
  int first, end;
  int column, num_columns;
  int block, first_row, num_rows;
};

// y = x Wᵀ in portions, from the constructor's beginning to the destructor's end.
//
// Rows come in blocks, which stay in a core's own cache, with their outputs, while all panels pass
// by. Where rows of prompts and of replies are multiplied differently, those of replies go with the
// last block: they would read the panels again.
class Product {
 public:
  // `buffers` of each thread, where w is not packed; the portions of `num_together` products are
  // computed one after the other, and so share a cache.
  Product(const kernels::LinearKernels& k, const Linear& w, const StepMemory::Prepared& x, Tensor y,
          const StepMemory::PanelBuffers* buffers, int num_threads, int num_together = 1);
  ~Product();
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  // Whether its portions are those of the other: a portion is no more than either has room for.
  bool is_cut_as(const Product& other) const {
    return run_panels_ == other.run_panels_ && num_blocks_ == other.num_blocks_;
  }
  int num_portions() const { return num_blocks_ * num_runs_; }
  // Block after block, so that a thread, which takes neighbours, changes it rarely.
  Portion portion(int i) const;
  std::int64_t most_outputs() const;  // of a portion

  // The portion's outputs, to their place in y, or to a place of their own. Any thread.
  void multiply(const Portion& s, int thread) const {
    multiply(s, thread, y_.row(s.first_row) + s.column, y_.columns);
  }
  void multiply(const Portion& s, int thread, float* y, std::int64_t y_stride) const;

 private:
  kernels::Activations of_block(int i) const {
    return blocks_of_.tiles(i * block_tiles_, block_tiles_);
  }
  kernels::Activations rest_of(int block) const {
    return block + 1 == num_blocks_ ? rest_ : kernels::Activations{};
  }
  const std::byte* panels(const Portion& s, int thread) const;

  const kernels::LinearKernels& kernels_;
  const Linear& w_;
  Tensor y_;
  const StepMemory::PanelBuffers* buffers_;
  kernels::Activations blocks_of_, rest_;
  std::int64_t panel_bytes_;
  int run_panels_, num_runs_;
  int block_tiles_, num_blocks_;
  PanelSource::Use use_;
};

// Threads take the portions of all products: body(product, portion, thread).
template <class Body>
void for_portions(ThreadPool& pool, std::span<const Product> products, const Body& body) {
  const auto item = [&](int i, int thread) {
    const Product* p = products.data();
    for (; i >= p->num_portions(); ++p) i -= p->num_portions();
    body(*p, p->portion(i), thread);
  };
  const auto count = [](int sum, const Product& p) { return sum + p.num_portions(); };
  pool.run(std::accumulate(products.begin(), products.end(), 0, count), std::ref(item));
}

}  // namespace pronk
