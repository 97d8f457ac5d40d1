#include "engine/gather.h"

namespace pronk {

void GatheredBatch::gather(std::span<const Share> shares) {
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  logit_rows_.clear();
  for (const Share& share : shares) {
    const Sequence& s = *share.sequence;
    const int start = s.num_computed;
    sequences_.push_back({.first_row = static_cast<int>(tokens_.size()),
                          .num_rows = share.num_tokens,
                          .start = start,
                          .pages = std::span<const int>(s.pages).first(
                              static_cast<std::size_t>(pages_for(start + share.num_tokens)))});
    for (int i = start; i < start + share.num_tokens; ++i) {
      tokens_.push_back(s.tokens[static_cast<std::size_t>(i)]);
      positions_.push_back(i);
    }
    if (share.completes()) logit_rows_.push_back(static_cast<int>(tokens_.size()) - 1);
  }
}

}  // namespace pronk
