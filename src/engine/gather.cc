#include "engine/gather.h"

#include "pronk/result.h"

namespace pronk {

void GatheredBatch::gather(std::span<const Share> shares) {
  tokens_.clear();
  positions_.clear();
  sequences_.clear();
  logit_rows_.clear();
  num_prompt_rows_ = 0;
  for (const Share& share : shares) {
    const Sequence& s = *share.sequence;
    const int start = s.num_computed, end = start + share.num_tokens;
    const int num_rows = share.num_tokens + share.num_draft;
    PRONK_CHECK(share.num_draft == 0 || !share.is_of_prompt(), "a draft is of a reply");
    if (share.is_of_prompt()) num_prompt_rows_ += num_rows;
    sequences_.push_back({.first_row = static_cast<int>(tokens_.size()),
                          .num_rows = num_rows,
                          .start = start,
                          .pages = std::span<const int>(s.pages).first(
                              static_cast<std::size_t>(pages_for(start + num_rows)))});
    for (int i = start; i < start + num_rows; ++i) {
      tokens_.push_back(i < end ? s.tokens[static_cast<std::size_t>(i)]
                                : s.draft[static_cast<std::size_t>(i - end)]);
      if (share.completes() && i >= end - 1)
        logit_rows_.push_back(static_cast<int>(positions_.size()));
      positions_.push_back(i);
    }
  }
}

}  // namespace pronk
