// Meta's release folders (params.json, consolidated.NN.pth, tokenizer.model) become a ModelSource.
#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/model_source.h"
#include "formats/torch_file.h"
#include "text/json.h"

namespace pronk {

Status read_meta_folder(const std::filesystem::path& folder, const ReadOptions& options,
                        ModelSource* source);

// One rank's checkpoint, and its FP8 scales (empty without).
struct MetaShard {
  std::map<std::string, TorchTensor> tensors;
  std::map<std::string, TorchTensor> fp8_scales;  // "3_feed_forward.w1_0": layer, matrix, rank
};

// Puts the shards together. Matrices wq wk wv w1 w3, the output and Llama 3's embedding are split
// by rows, wo, w2 and Llama 2's embedding by columns; norms are in every shard. With more shards
// than key/value heads each head is in several. `params` is params.json; source->tokenizer tells
// Llama 2 from 3.
Status assemble_meta(const json::value& params, std::span<const MetaShard> shards,
                     ModelSource* source);

}  // namespace pronk
