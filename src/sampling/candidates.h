// The tokens that are still in the draw, and the few operations that every sampler is made of.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "pronk/types.h"

namespace pronk {

// The largest number of a row, and the first that is no logit (NaN or +infinity); -1: none.
struct RowScan {
  float max = 0;  // -infinity when nothing is allowed
  int bad_index = -1;
};
RowScan scan_row(std::span<const float> logits);

// values[i] = exp(logits[i] - max), and their sum: in double, in an order fixed by the length
// alone.
double weigh(std::span<const float> logits, float max, std::span<float> weights);

// Ascending by id; no logit is -infinity. Reused from step to step, so that a step allocates
// nothing.
struct Candidates {
  std::vector<TokenId> ids;
  std::vector<float> logits;
  std::vector<float> weights;  // exp(logit - max), once weigh() was called on these logits
  double total = 0;            // of the weights

  std::size_t size() const { return ids.size(); }
  void load(std::span<const float> row);
  float max_logit() const;
  void weigh();

  // Keeps the candidates whose index satisfies `keep`, in order. Weights are not carried along.
  template <class Keep>
  void keep_if(Keep keep) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const bool kept = keep(i);
      ids[n] = ids[i];
      logits[n] = logits[i];
      n += kept;
    }
    ids.resize(n);
    logits.resize(n);
  }
};

// A place in an order: ascending key, then ascending id.
struct Place {
  float key = 0;
  TokenId id = 0;
  bool operator<(const Place& other) const {
    return key != other.key ? key < other.key : id < other.id;
  }
};

// The k-th place (k >= 1, at most values.size()) of `values` from the largest down, the lower index
// first on a tie. Returned as Place{-value, index}.
Place kth_largest(std::span<const float> values, std::size_t k);

// A candidate's place and what it weighs.
struct Weighted {
  Place place;
  float weight = 0;
};

// The place of the last item of the shortest beginning, in order, that weighs `target` or more;
// the last of all when none does. Reorders `items` (not empty). O(n) expected.
Place place_of_mass(std::span<Weighted> items, double target);

}  // namespace pronk
