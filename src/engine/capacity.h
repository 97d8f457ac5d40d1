// How long a context and how many KV pages the machine can hold.
#pragma once
#include <cstdint>

#include "pronk/engine.h"
#include "pronk/result.h"

namespace pronk {

struct CapacityFacts {
  int model_context = 0;  // what the model allows
  std::int64_t page_bytes = 0;
  std::int64_t available_bytes = 0;  // for pages, all other needs taken off
};

struct Capacity {
  int context = 0;    // tokens of the longest sequence
  int num_pages = 0;  // at least one more than such a sequence needs
};

// options.context as it is, or an error; 0: as much as the model allows and the memory holds.
// Errors: kInvalidArgument, kResourceExhausted.
Result<Capacity> choose_capacity(const CapacityFacts& facts, const EngineOptions& options);

}  // namespace pronk
