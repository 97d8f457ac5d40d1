// The tokens that are still in the draw, and the few operations that every sampler is made of.
#pragma once
#include <cstddef>
#include <limits>
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

// A place in an order: ascending key, then ascending id.
struct Place {
  float key = 0;
  TokenId id = 0;
  bool operator<(const Place& other) const {
    return key != other.key ? key < other.key : id < other.id;
  }
};

// A candidate's place and what it weighs.
struct Weighted {
  Place place;
  float weight = 0;
};

// Ascending by id. At first they are a whole row, which is neither copied nor written out as a
// list: banned tokens (-infinity) are in it still and weigh nothing. The first sampler that
// shortens it makes it a list, of those that are allowed alone. Reused from step to step, so that a
// step allocates nothing.
class Candidates {
 public:
  // The row stays the caller's, and may be changed, until the next load(); `max` is its largest
  // logit, not -infinity.
  void load(std::span<float> row, float max);

  std::size_t size() const { return logits_.size(); }
  std::span<const float> logits() const { return logits_; }
  TokenId id(std::size_t i) const { return is_list_ ? ids_[i] : static_cast<TokenId>(i); }
  Place place(std::size_t i) const { return {-logits_[i], id(i)}; }  // likeliest first
  float max_logit() const { return max_; }

  // x = (x - max) / temperature: the shift changes no probability, and the largest stays finite
  // however low the temperature.
  void divide_by(double temperature);

  // exp(logit - max) of each, until the next call on these candidates; and the sum of all.
  std::span<const float> weights();
  double total_weight();
  // The candidate at the share `u` in [0, 1) of the total weight.
  std::size_t at_share(double u);

  void keep_at_least(float bar);
  // Keeps the candidates whose index satisfies `keep`, in order.
  template <class Keep>
  void keep_if(Keep keep) {
    make_list();
    std::size_t n = 0;
    for (std::size_t i = 0; i < size(); ++i) {
      const bool kept = keep(i);
      ids_[n] = ids_[i];
      logits_[n] = logits_[i];
      n += kept;
    }
    shorten_to(n);
  }
  void make_list();
  // The same, of keep(logit, id); a row stays one, with the others banned: for where most stay.
  template <class Keep>
  void keep_most_if(Keep keep) {
    if (is_list_) return keep_if([&](std::size_t i) { return keep(logits_[i], ids_[i]); });
    float* const row = logits_.data();
    const auto size = static_cast<TokenId>(logits_.size());
    for (TokenId id = 0; id < size; ++id) row[id] = keep(row[id], id) ? row[id] : kBanned;
    find_max();
  }

  // Room for a sampler's own list of some of them.
  std::vector<Weighted>& scratch() { return scratch_; }

 private:
  static constexpr float kBanned = -std::numeric_limits<float>::infinity();
  void find_max();
  void shorten_to(std::size_t n);

  bool is_list_ = false;
  std::span<float> logits_;  // the caller's row, or list_
  std::vector<TokenId> ids_;
  std::vector<float> list_;
  std::vector<float> weights_;
  std::vector<Weighted> scratch_;
  std::vector<double> sums_;  // of the weights, by stretches
  float max_ = 0;
};

// The k-th place (k >= 1, at most values.size()) of `values` from the largest down, the lower index
// first on a tie. Returned as Place{-value, index}.
Place kth_largest(std::span<const float> values, std::size_t k);

// The place of the last item of the shortest beginning, in order, that weighs `target` or more;
// the last of all when none does. Reorders `items` (not empty). O(n) expected.
Place place_of_mass(std::span<Weighted> items, double target);

}  // namespace pronk
