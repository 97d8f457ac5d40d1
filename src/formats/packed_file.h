// A packed file: one whole model whose matrices stand as the kernels read them (panels of 32 rows,
// docs/kernels.md), so that a load maps it and copies nothing. It is made on this machine for this
// program: models are exchanged as GGUF or safetensors, of which this is a copy.
//
//   offset  size  meaning
//   0       8     "PRONKPAK"
//   8       4     version of this format u32: 1
//   12      4     layout of the panels u32: kernels::kPanelLayout
//   16      8     size of the file u64
//   24      40    zeros
//   64      ...   a GGUF container (gguf_file.h) of alignment 64: its metadata are packed_fields.h,
//                 its tensors have Hugging Face names and their shapes; a matrix is its panels, the
//                 last one filled up with zero rows; a vector is F32
//   -32     32    SHA-256 of all bytes before
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>

#include "formats/model_source.h"
#include "pronk/result.h"

namespace pronk {

bool is_packed(std::span<const std::byte> bytes);  // by its first 8 bytes

// Versions, size, offsets and shapes are checked, the weights not read. Errors: kCorruptData;
// kUnsupported (a version or layout that this program does not read).
Status read_packed(const std::filesystem::path& path, const ReadOptions& options,
                   ModelSource* source);
// The same from bytes already there, 64-byte aligned; fills everything but source->files.
Status read_packed_bytes(std::span<const std::byte> bytes, const ReadOptions& options,
                         ModelSource* source);

// Reads a packed model's file whole; kCorruptData when it is not what was written. Other formats
// have no such sum: Ok.
Status check_sum(const ModelSource& source);

// Every value is kept exactly: what is computed from the packed model are the same bits. FP8
// becomes F8_SCALED. Refuses a path that exists and appears whole or not at all. Errors:
// kUnsupported (FP8 with scales, in other blocks than 128), kInvalidArgument, kResourceExhausted
// (the disk is full), kCorruptData (the model's files changed meanwhile).
using PackProgress = std::function<void(std::int64_t done_bytes, std::int64_t total_bytes)>;
Status write_packed(const ModelSource& source, const std::filesystem::path& path,
                    const PackProgress& progress = {});

namespace packed {
inline constexpr char kMagic[] = "PRONKPAK";
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kHeadBytes = 64, kSumBytes = 32, kAlignment = 64;
}  // namespace packed

}  // namespace pronk
