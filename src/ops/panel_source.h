// Panels that are not packed yet: a file has their rows.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace pronk {

// The first product packs each panel anew where its thread needs it, so a first token has not to
// wait until all weights are copied; the second packs them for good. Thread-safe: products of
// several engines may use the same weights at once.
class PanelSource {
 public:
  // Writes the panels [first, end); `for_good`: their rows will not be asked for again. Any thread.
  using Pack = std::function<void(int first, int end, bool for_good, std::byte* out)>;

  // `place`: memory for all panels, of panel_bytes each, which lives as long as `pack`.
  PanelSource(Pack pack, std::byte* place, std::int64_t panel_bytes)
      : pack_(std::move(pack)), place_(place), panel_bytes_(panel_bytes) {}

  // What one product does, from its beginning to its end.
  enum class Use {
    kRead,    // packs into its own scratch
    kPack,    // packs into place; one product only
    kPacked,  // finds them there
  };
  Use begin_use();
  void end_use(Use use);

  // Panels [first, end), one after the other; `scratch` has room for them, when they are read.
  const std::byte* panels(int first, int end, Use use, std::byte* scratch) const;

 private:
  enum class State { kUnused, kUsed, kBeingPacked, kPacked };

  Pack pack_;
  std::byte* place_;
  std::int64_t panel_bytes_;
  std::atomic<State> state_{State::kUnused};
};

}  // namespace pronk
