// The .bin files of llama2.c, versions 0 and 1 (float32) and 2 (int8), with the tokenizer beside
// them.
//
// Version 0: seven int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len; the
// vocabulary negative when the output layer has its own weights), then float32 in this order, each
// for all layers: embedding, attention norms, wq, wk, wv, wo, FFN norms, w1, w2, w3; final norm;
// two tables of seq_len x K/2 that are not needed; the output layer.
//
// Versions 1 and 2: "24ka" (0x616b3432), version int32, the seven int32, a byte (1: shared output
// layer), in version 2 the group size int32; zeros up to byte 256; then attention norms, FFN norms
// and final norm in float32, embedding, wq, wk, wv, wo, w1, w2, w3, output layer. In version 2 each
// matrix of each layer is its int8 values followed by one float32 scale a group.
#pragma once
#include <filesystem>
#include <span>

#include "formats/model_source.h"

namespace pronk {

// Whether the bytes are such a file: version 0 has no magic number, so its size must fit its
// header.
bool is_llama2c(std::span<const std::byte> bytes);

Status read_llama2c(const std::filesystem::path& path, const ReadOptions& options,
                    ModelSource* source);

// The same from bytes already there, without a tokenizer.
Status read_llama2c_bytes(std::span<const std::byte> bytes, ModelSource* source);

}  // namespace pronk
