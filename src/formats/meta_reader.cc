#include "formats/meta_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "formats/assemble.h"
#include "formats/hf_config.h"
#include "formats/hf_reader.h"
#include "formats/tensor_names.h"
#include "formats/tokenizer_files.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;
using Kind = TokenizerSource::Kind;

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }
Error unsupported(std::string what) { return error(Code::kUnsupported, std::move(what)); }

// ---- params.json --------------------------------------------------------------------------------

// The feed-forward size by Meta's rule: 2/3 of 4D, times a factor, up to a multiple. 0 where no
// rule is given; then the tensors say it.
Result<int> ffn_by_rule(const json::value& params, int model_dim) {
  const auto multiple = find_integer(params, "multiple_of");
  if (!multiple) return 0;
  const double factor = find_number(params, "ffn_dim_multiplier").value_or(1);
  if (*multiple < 1 || *multiple > kMaxDimension || !(factor > 0 && factor < 1000))
    return corrupt(
        fmt::format("'multiple_of' {} and 'ffn_dim_multiplier' {} give no feed-forward "
                    "dimension",
                    *multiple, factor));
  auto hidden = static_cast<std::int64_t>(2 * (4 * std::int64_t{model_dim}) / 3);
  hidden = static_cast<std::int64_t>(factor * static_cast<double>(hidden));
  return dimension((hidden + *multiple - 1) / *multiple * *multiple,
                   "the feed-forward dimension by 'multiple_of'");
}

// Llama 2's params.json has no base; its reference code fixes 10000.
Result<RopeConfig> read_rope(const json::value& params, bool is_llama2,
                             std::vector<std::string>* notes) {
  RopeConfig rope;
  const auto theta = find_number(params, "rope_theta");
  if (!theta && !is_llama2)
    return corrupt(
        "the RoPE base 'rope_theta' is missing; add the one the model was "
        "trained with (Llama 3: 500000)");
  if (!theta) notes->push_back("params.json has no rope_theta; Llama 2's RoPE base is 10000");
  rope.theta = theta.value_or(10000);
  if (find_bool(params, "use_scaled_rope").value_or(false)) {
    rope.scaling.kind = RopeScaling::Kind::kLlama3;  // its other members are Meta's constants
    rope.scaling.factor = find_number(params, "rope_scaling_factor").value_or(8);
    rope.scaling.high_freq_factor = find_number(params, "rope_high_freq_factor").value_or(4);
  }
  return rope;
}

// params.json does not say how long a text may be.
int released_context(const LlamaConfig& config, bool is_llama2) {
  if (config.rope.scaling.kind == RopeScaling::Kind::kLlama3) return 131072;
  return is_llama2 ? 4096 : 8192;
}

Status check_variants(const json::value& params) {
  for (const char* key : {"moe", "moe_args", "vision_chunk_size", "lora_args"})
    if (const json::value* value = find(params, key); value && !value->is_null())
      if (find_integer(params, key).value_or(1) > 0)
        return unsupported(fmt::format("'{}' is set; plain Llama models have none", key));
  const json::value* quantization = find(params, "quantization_args");
  const json::string* scheme = quantization ? find_string(*quantization, "scheme") : nullptr;
  if (scheme && scheme->find("fp8") == json::string::npos)
    return unsupported(fmt::format("the weights are quantized by '{}'; FP8 is supported",
                                   std::string_view(*scheme)));
  return Ok{};
}

// Vocabulary and feed-forward size come from the tensors, once there are some.
Result<LlamaConfig> read_params(const json::value& params, bool is_llama2,
                                std::vector<std::string>* notes) {
  if (!params.is_object()) return corrupt("it is missing or no JSON object");
  PRONK_TRY(check_variants(params));
  LlamaConfig c;
  c.num_layers = PRONK_TRY(required_dimension(params, "n_layers"));
  c.model_dim = PRONK_TRY(required_dimension(params, "dim"));
  c.num_heads = PRONK_TRY(required_dimension(params, "n_heads"));
  c.num_kv_heads = find(params, "n_kv_heads") && !find(params, "n_kv_heads")->is_null()
                       ? PRONK_TRY(required_dimension(params, "n_kv_heads"))
                       : c.num_heads;
  if (const auto head_dim = find_integer(params, "head_dim")) {
    c.head_dim = PRONK_TRY(dimension(*head_dim, "'head_dim'"));
  } else {
    if (c.model_dim % c.num_heads != 0)
      return corrupt(
          fmt::format("{} dimensions cannot be split into {} heads", c.model_dim, c.num_heads));
    c.head_dim = c.model_dim / c.num_heads;
  }
  c.norm_eps = PRONK_TRY(required_number(params, "norm_eps"));
  c.rope = PRONK_TRY(read_rope(params, is_llama2, notes));
  c.max_context = released_context(c, is_llama2);
  if (const auto length = find_integer(params, "max_seq_len"))
    c.max_context = PRONK_TRY(dimension(*length, "'max_seq_len'"));
  c.ffn_dim = PRONK_TRY(ffn_by_rule(params, c.model_dim));
  c.vocab_size =
      PRONK_TRY(dimension(std::max<std::int64_t>(find_integer(params, "vocab_size").value_or(0), 0),
                          "'vocab_size'", 0));  // Llama 2 writes -1
  return c;
}

// ---- shards -------------------------------------------------------------------------------------

enum class Split { kRows, kColumns, kNone };

Split split_of(std::string_view name, const TorchTensor& shard, const LlamaConfig& c,
               std::size_t num_shards) {
  if (shard.is_vector || num_shards == 1) return Split::kNone;
  if (name == "tok_embeddings.weight")  // Llama 3: [V/N, D]; Llama 2: [V, D/N]
    return shard.columns == c.model_dim ? Split::kRows : Split::kColumns;
  return name.ends_with(".wo.weight") || name.ends_with(".w2.weight") ? Split::kColumns
                                                                      : Split::kRows;
}

class Assembler {
 public:
  Assembler(std::span<const MetaShard> shards, ModelSource* source)
      : shards_(shards), source_(source), config_(source->config) {}

  Status run() {
    std::set<std::string> names;
    for (const MetaShard& shard : shards_)
      for (const auto& [name, tensor] : shard.tensors) names.insert(name);
    for (const std::string& name : names) {
      if (name.ends_with("rope.freqs") || name.ends_with("rotary_emb.inv_freq")) {
        source_->notes.push_back(fmt::format("ignored {}", name));
        continue;
      }
      PRONK_TRY_IN(fmt::format("tensor '{}'", name), add(name));
    }
    return Ok{};
  }

 private:
  Status add(const std::string& meta_name) {
    const auto name = name_from_meta(meta_name);
    if (!name) return unsupported("it has no place in a Llama model; this is another architecture");
    const std::vector<std::size_t> ranks = PRONK_TRY(ranks_of(meta_name));
    const TorchTensor& first = shards_[ranks[0]].tensors.at(meta_name);
    const Split split = split_of(meta_name, first, config_, shards_.size());
    TensorSource tensor{.name = *name, .dtype = first.dtype};
    for (const std::size_t rank : ranks) {
      const TorchTensor& part = shards_[rank].tensors.at(meta_name);
      if (part.dtype != first.dtype)
        return corrupt(fmt::format("shard {} has it as {}, shard {} as {}", ranks[0],
                                   info(first.dtype).name, rank, info(part.dtype).name));
      if (!tensor.pieces.empty() && split == Split::kNone) continue;  // the same in every shard
      if (split == Split::kColumns ? part.rows != first.rows : part.columns != first.columns)
        return corrupt(fmt::format("it is [{}, {}] in shard {} and [{}, {}] in shard {}",
                                   first.rows, first.columns, ranks[0], part.rows, part.columns,
                                   rank));
      append(part, split, &tensor);
      PRONK_TRY(add_scales(meta_name, rank, &tensor.pieces.back()));
    }
    source_->tensors.emplace(*name, std::move(tensor));
    return Ok{};
  }

  // Where the piece goes: below the rows or right of the columns that are there.
  static void append(const TorchTensor& part, Split split, TensorSource* tensor) {
    TensorPiece piece{.num_rows = part.rows,
                      .num_columns = part.columns,
                      .data = part.data,
                      .row_stride = part.row_stride};
    if (split == Split::kColumns) {
      piece.column_begin = tensor->columns;
      tensor->columns += part.columns;
      tensor->rows = part.rows;
    } else {
      piece.row_begin = tensor->pieces.empty() ? 0 : tensor->rows;
      tensor->rows = piece.row_begin + part.rows;
      tensor->columns = part.columns;
    }
    tensor->pieces.push_back(piece);
  }

  // Every shard has its part; with N shards and G < N key/value heads, each head's rows are in N/G
  // shards that follow each other, and the first of them is read.
  Result<std::vector<std::size_t>> ranks_of(const std::string& name) const {
    for (std::size_t rank = 0; rank < shards_.size(); ++rank)
      if (!shards_[rank].tensors.contains(name))
        return corrupt(fmt::format("it is not in shard {} of {}", rank, shards_.size()));
    std::size_t step = 1;
    const auto num_kv_heads = static_cast<std::size_t>(config_.num_kv_heads);
    const bool is_key_or_value = name.ends_with(".wk.weight") || name.ends_with(".wv.weight");
    if (is_key_or_value && shards_.size() > num_kv_heads && shards_.size() % num_kv_heads == 0 &&
        shards_[0].tensors.at(name).rows == config_.head_dim)
      step = shards_.size() / num_kv_heads;
    std::vector<std::size_t> ranks;
    for (std::size_t rank = 0; rank < shards_.size(); rank += step) ranks.push_back(rank);
    return ranks;
  }

  // "layers.3.feed_forward.w1.weight" of rank 0 has its row scales under "3_feed_forward.w1_0".
  Status add_scales(std::string_view name, std::size_t rank, TensorPiece* piece) const {
    const auto& tensors = shards_[rank].tensors;
    if (tensors.at(std::string(name)).dtype != DType::kF8E4M3) return Ok{};
    constexpr std::string_view kPrefix = "layers.", kSuffix = ".weight";
    std::string key(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
    if (const std::size_t dot = key.find('.'); dot != std::string::npos) key[dot] = '_';
    key += fmt::format("_{}", rank);
    const auto found = shards_[rank].fp8_scales.find(key);
    if (found == shards_[rank].fp8_scales.end())
      return corrupt(
          fmt::format("it is FP8 and fp8_scales_{}.pt has no '{}'; fetch that file", rank, key));
    const TorchTensor& scales = found->second;
    const bool is_contiguous = scales.rows == 1 || scales.columns == 1;
    if (scales.dtype != DType::kF32 || !is_contiguous ||
        scales.rows * scales.columns != piece->num_rows ||
        (scales.rows > 1 && scales.row_stride != std::int64_t{sizeof(float)}) ||
        reinterpret_cast<std::uintptr_t>(scales.data) % alignof(float) != 0)
      return corrupt(
          fmt::format("its scales '{}' are [{}, {}] of {}, one float32 for each of {} rows "
                      "is needed",
                      key, scales.rows, scales.columns, info(scales.dtype).name, piece->num_rows));
    piece->scales = reinterpret_cast<const float*>(scales.data);
    return Ok{};
  }

  std::span<const MetaShard> shards_;
  ModelSource* source_;
  const LlamaConfig& config_;
};

// What only the tensors say, against what params.json says.
Status settle_sizes(ModelSource* source) {
  LlamaConfig& c = source->config;
  const auto embedding = source->tensors.find("model.embed_tokens.weight");
  const auto gate = source->tensors.find("model.layers.0.mlp.gate_proj.weight");
  if (embedding == source->tensors.end() || gate == source->tensors.end())
    return corrupt("tok_embeddings.weight or layers.0.feed_forward.w1.weight is missing");
  if (c.vocab_size == 0)
    c.vocab_size = PRONK_TRY(dimension(embedding->second.rows, "vocabulary size"));
  if (c.ffn_dim == 0) c.ffn_dim = PRONK_TRY(dimension(gate->second.rows, "feed-forward dimension"));
  c.tied_output = !source->tensors.contains("lm_head.weight");
  return Ok{};
}

// consolidated.00.pth, consolidated.01.pth, ... without a gap.
Result<std::vector<fs::path>> shard_paths(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code failure;
  for (;;) {
    const fs::path path = folder / fmt::format("consolidated.{:02}.pth", paths.size());
    if (!fs::exists(path, failure)) break;
    paths.push_back(path);
  }
  std::size_t num_all = 0;
  for (const auto& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    num_all += name.starts_with("consolidated.") && name.ends_with(".pth");
  }
  if (paths.empty())
    return error(Code::kNotFound, "there is no consolidated.00.pth; fetch the weights");
  if (num_all != paths.size())
    return error(Code::kNotFound,
                 fmt::format("consolidated.{:02}.pth is missing; fetch it", paths.size()));
  return paths;
}

Result<std::map<std::string, TorchTensor>> map_torch_file(const fs::path& path,
                                                          ModelSource* source) {
  source->files.push_back(PRONK_TRY(MappedFile::open(path)));
  return PRONK_TRY_IN(path.filename().string(), read_torch_file(source->files.back()->bytes()));
}

}  // namespace

Status assemble_meta(const json::value& params, std::span<const MetaShard> shards,
                     ModelSource* source) {
  const bool is_llama2 = source->tokenizer.kind == Kind::kSentencePiece ||
                         find_integer(params, "vocab_size").value_or(0) == -1;
  source->config = PRONK_TRY_IN("params.json", read_params(params, is_llama2, &source->notes));
  if (shards.empty()) return Ok{};
  PRONK_TRY(Assembler(shards, source).run());
  PRONK_TRY(settle_sizes(source));
  PRONK_TRY(check_config(source->config));
  for (const TensorShape& shape : llama_tensors(source->config))
    if (const auto found = source->tensors.find(shape.name); found != source->tensors.end())
      found->second.interleaved_heads = shape.rotated_heads;
  return check_tensors(*source);
}

Status read_meta_folder(const fs::path& folder, const ReadOptions& options, ModelSource* source) {
  source->format = "Meta";
  json::value params = PRONK_TRY(read_json_file(folder / "params.json"));
  if (const json::object* model = find_object(params, "model")) params = json::value(*model);
  PRONK_TRY(read_folder_texts(folder, source));
  std::vector<MetaShard> shards;
  if (options.weights)
    for (const fs::path& path : PRONK_TRY(shard_paths(folder))) {
      MetaShard shard;
      shard.tensors = PRONK_TRY(map_torch_file(path, source));
      const fs::path scales = folder / fmt::format("fp8_scales_{}.pt", shards.size());
      std::error_code failure;
      if (fs::exists(scales, failure)) shard.fp8_scales = PRONK_TRY(map_torch_file(scales, source));
      shards.push_back(std::move(shard));
    }
  PRONK_TRY(assemble_meta(params, shards, source));
  if (options.weights) return check_vocabulary(source);
  if (source->config.vocab_size == 0)  // Llama 2 without its weights
    source->config.vocab_size =
        static_cast<int>(PRONK_TRY(count_tokens(source->tokenizer)).value_or(0));
  return Ok{};
}

}  // namespace pronk
