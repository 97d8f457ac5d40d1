#include "engine/capacity.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/scheduler.h"

namespace pronk {
namespace {

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

Result<Capacity> choose_capacity(const CapacityFacts& facts, const EngineOptions& options) {
  if (options.context > facts.model_context)
    return error(Code::kInvalidArgument,
                 fmt::format("start: a context of {} tokens was asked for, the model allows {}",
                             options.context, facts.model_context));
  // One sequence may use all there is; more of them at once, half of it.
  const std::int64_t max_pages = facts.available_bytes / facts.page_bytes;
  Capacity c;
  c.context = options.context > 0 ? options.context : facts.model_context;
  if (pages_for(c.context) + 1 > max_pages) {
    const std::int64_t longest = std::max<std::int64_t>(0, max_pages - 1) * kKvPageTokens;
    if (options.context > 0 || longest == 0)
      return error(
          Code::kResourceExhausted,
          fmt::format(
              "start: a context of {} tokens needs {:.2f} GiB for its keys and values, "
              "{:.2f} GiB are left; {}",
              c.context, gib((pages_for(c.context) + 1) * facts.page_bytes),
              gib(std::max<std::int64_t>(0, facts.available_bytes)),
              longest > 0 ? fmt::format("ask for at most {}", longest) : "free some memory"));
    c.context = static_cast<int>(longest);
  }
  const std::int64_t least = pages_for(c.context) + 1;
  const std::int64_t most = std::int64_t{pages_for(c.context)} * options.max_sequences + 1;
  c.num_pages = static_cast<int>(std::max(least, std::min(most, max_pages / 2)));
  return c;
}

}  // namespace pronk
