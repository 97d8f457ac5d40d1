// A model as its files hold it: the one form that every reader makes and every consumer (loader,
// converter, planner) reads.
//
// Tensor names are Hugging Face's: "model.embed_tokens.weight",
// "model.layers.3.self_attn.q_proj.weight", "model.layers.3.mlp.up_proj.weight",
// "model.layers.3.input_layernorm.weight", "model.layers.3.post_attention_layernorm.weight",
// "model.norm.weight", "lm_head.weight". Rows of q_proj and k_proj are in Hugging Face's order
// (halves), whatever the file's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/file.h"
#include "formats/llama_config.h"
#include "formats/token_type.h"
#include "pronk/result.h"
#include "pronk/types.h"
#include "tensor/dtype.h"

namespace pronk {

// A rectangle of a tensor as it lies in a mapped file. Rows are whole numbers of blocks.
struct TensorPiece {
  std::int64_t row_begin = 0, num_rows = 0;  // in the tensor's stored row order
  std::int64_t column_begin = 0, num_columns = 0;
  // Row i of the piece lies at data + i * row_stride; not aligned to anything.
  const std::byte* data = nullptr;
  std::int64_t row_stride = 0;  // bytes
  // FP8: value = stored * scale; a scale for each block of scale_rows x scale_columns values, row
  // by row; nullptr: 1.
  const float* scales = nullptr;
  std::int64_t scale_rows = 1,
               scale_columns = 0;  // scale_columns 0: the whole row; scale_rows 0: the whole tensor
};

// One matrix (or, with rows == 1, one vector). Immutable; any thread; lives as long as its
// ModelSource.
class TensorSource {
 public:
  std::string name;
  DType dtype = DType::kF32;
  std::int64_t rows = 0, columns = 0;
  // 0: stored rows are the tensor's. n > 0: stored in n heads of interleaved rotation pairs (Meta,
  // GGUF), so that row h*K + i of the tensor is stored row h*K + 2i (i < K/2) or h*K + 2(i - K/2)
  // + 1.
  int interleaved_heads = 0;
  std::vector<TensorPiece> pieces = {};  // cover it exactly; ordered by (row, column)
  // A packed file's matrices instead: all panels (kernels/pack.h), 64-byte aligned.
  const std::byte* panels = nullptr;

  std::int64_t stored_row(std::int64_t row) const;
  // The row's bytes in `dtype`, if it lies in one piece and has no scales; else nullptr.
  const std::byte* raw_row(std::int64_t row) const;
  // The row's bytes in `dtype`, from however many pieces, to `out` (row_bytes of them); false when
  // they have scales, without which they mean nothing.
  bool copy_row(std::int64_t row, std::byte* out) const;
  // Whether its values are E4M3 whose scales hold for 128 columns in a row or more, as kF8Scaled
  // has them; and such a row, row_bytes(kF8Scaled, columns), to `out`. find(data) says where the
  // bytes that are mapped at `data` are to be read.
  bool fits_f8_scaled() const;
  using FindBytes = std::function<const std::byte*(const std::byte* data)>;
  void copy_f8_scaled(std::int64_t row, const FindBytes& find, std::byte* out) const;
  // The row's exact values (FP8: times its scale, in float32). out: `columns` floats.
  void read_row(std::int64_t row, float* out) const;
  // Whether a stored value means nothing without its scale.
  bool has_scales() const;
  std::int64_t size_bytes() const { return rows * row_bytes(dtype, columns); }
};

// The tokenizer as the model's files hold it; tokenizer/ makes a Tokenizer of it.
struct TokenizerSource {
  enum class Kind { kNone, kHuggingFaceJson, kTiktoken, kSentencePiece, kGguf, kLlama2c };
  Kind kind = Kind::kNone;
  std::string bytes;  // the whole file: tokenizer.json, tokenizer.model (tiktoken or
                      // SentencePiece), tokenizer.bin

  // kGguf: tokenizer.ggml.*
  std::string gguf_model;  // "gpt2" (byte-level BPE), "llama" (SentencePiece)
  std::string gguf_pre;    // the split rule: "llama-bpe", "smollm", ...
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t>
      token_types;                  // TokenType's numbers as the file stores them; 0 "undefined"
  std::vector<std::string> merges;  // "left right"

  // From whatever file says them (GGUF keys, tokenizer_config.json, config.json,
  // generation_config.json).
  std::optional<TokenId> bos, eos, eot, eom, unknown, padding;
  std::vector<TokenId> end_tokens;  // generation_config's eos_token_id: one or several
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
  std::string tokenizer_config_json;  // tokenizer_config.json whole, if there is one (added tokens,
                                      // bos_token names)

  // kGguf: the type of token i, normal where the file does not say. kCorruptData: no such type.
  Result<TokenType> type_of(std::size_t i) const;
};

// "chat_template": a string, or several by name ("default", "tool_use", ...).
struct ChatTemplateSource {
  std::string name;  // "default"
  std::string text;
};

// generation_config.json; unset where the file says nothing.
struct GenerationDefaults {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
  std::optional<bool> do_sample;
};

// What a GGUF says of itself beyond what is read here: author, description, tags, source, ...
struct Description {
  std::string key;  // "general.author"
  std::variant<std::string, std::vector<std::string>, std::uint32_t> value;
  bool operator==(const Description&) const = default;
};

// Immutable once read; keeps the maps alive that its tensors point into.
struct ModelSource {
  std::filesystem::path path;
  std::string format;  // "GGUF v3", "Hugging Face", "Meta", "llama2.c v0", "pronk packed v1"
  LlamaConfig config;
  std::map<std::string, TensorSource>
      tensors;  // by Hugging Face name; tied models have no lm_head.weight
  TokenizerSource tokenizer;
  std::vector<ChatTemplateSource> chat_templates;
  GenerationDefaults generation;
  std::string licence;                    // name or text, if the file says
  std::vector<Description> descriptions;  // of a GGUF; carried to another
  std::vector<std::string> notes;  // what the reader passed over, for people ("ignored rope.freqs")
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<std::unique_ptr<std::byte[]>>
      owned;  // decompressed or converted data that no map holds

  std::int64_t weight_bytes() const;
  // kCorruptData when a file was replaced, changed or cut since it was mapped: what was read of it
  // since the last such check may be anything.
  Status check_intact() const;
};

struct ReadOptions {
  bool weights =
      true;  // false: only config, tokenizer and templates (a folder without weights is then fine)
};

// Reads a GGUF file (any of a split set), a packed file, a Hugging Face folder, a Meta folder or a
// llama2.c .bin; the bytes decide, not the name. Every offset, count and length is checked before
// use; every tensor that LlamaConfig calls for is there with its shape. Errors: kNotFound;
// kCorruptData (broken, truncated, contradictory); kUnsupported (another architecture or type, by
// name).
Result<std::shared_ptr<ModelSource>> read_model(const std::filesystem::path& path,
                                                const ReadOptions& options = {});

// A bare tokenizer file or a model: for `pronk tokenize`.
Result<TokenizerSource> read_tokenizer(const std::filesystem::path& path);

}  // namespace pronk
