#include "ops/panel_source.h"

namespace pronk {

PanelSource::Use PanelSource::begin_use() {
  State state = state_.load(std::memory_order_acquire);
  if (state == State::kPacked) return Use::kPacked;
  const bool is_ours =
      state == State::kUsed && state_.compare_exchange_strong(state, State::kBeingPacked);
  return is_ours ? Use::kPack : Use::kRead;
}

void PanelSource::end_use(Use use) {
  State state = State::kUnused;
  if (use == Use::kRead) state_.compare_exchange_strong(state, State::kUsed);
  if (use == Use::kPack) state_.store(State::kPacked, std::memory_order_release);
}

const std::byte* PanelSource::panels(int first, int end, Use use, std::byte* scratch) const {
  std::byte* out = use == Use::kRead ? scratch : place_ + first * panel_bytes_;
  if (use != Use::kPacked) pack_(first, end, use == Use::kPack, out);
  return out;
}

}  // namespace pronk
