// From a model's files to the weights that the forward pass reads.
#pragma once
#include <functional>

#include "base/thread_pool.h"
#include "formats/model_source.h"
#include "model/llama_weights.h"
#include "pronk/model.h"

namespace pronk {

// The weights as they will be, named, shaped and typed, without values: what load_weights fills and
// plan() counts.
LlamaWeights plan_weights(const ModelSource& source, Precision precision);

// Fills plan_weights' handles. Packed panel by panel, now or on their second use, and mapped pages
// are let go on the way, so that the peak is hardly more than what stays. What is not packed goes
// on reading `source`, which the weights keep alive. Errors: kCorruptData (with check: a value that
// is not finite, by tensor), kResourceExhausted.
Result<LlamaWeights> load_weights(std::shared_ptr<const ModelSource> source,
                                  const LoadOptions& options, ThreadPool& pool);

// Packed panels and norms; what a load takes from memory for good.
std::int64_t resident_bytes(LlamaWeights& weights);
// Of these, the panels that are packed when they are used again.
std::int64_t bytes_to_pack(LlamaWeights& weights);

}  // namespace pronk
