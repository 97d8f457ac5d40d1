// A ModelSource as a Hugging Face folder: config.json, generation_config.json, tokenizer files and
// safetensors.
#include <fmt/format.h>
#include <unistd.h>

#include <map>

#include "formats/model_writer.h"
#include "formats/rope_scaling.h"
#include "formats/row_writer.h"
#include "formats/safetensors.h"
#include "formats/tokenizer_convert.h"
#include "text/json.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

// ---- JSON files ---------------------------------------------------------------------------------

Result<json::value> rope_scaling(const LlamaConfig& c) {
  RopeScaling s = c.rope.scaling;
  if (!c.rope.divisors.empty()) {
    const auto found = scaling_of_divisors(c.rope, c.head_dim);
    if (!found)
      return error(
          Code::kUnsupported,
          "its rope_freqs are not Llama 3's scaling, and config.json has no way to say them; "
          "convert to GGUF");
    s = *found;
  }
  switch (s.kind) {
    case RopeScaling::Kind::kNone:
      return json::value(nullptr);
    case RopeScaling::Kind::kLinear:
      return json::value{{"rope_type", "linear"}, {"factor", s.factor}};
    case RopeScaling::Kind::kLlama3:
      return json::value{
          {"rope_type", "llama3"},
          {"factor", s.factor},
          {"low_freq_factor", s.low_freq_factor},
          {"high_freq_factor", s.high_freq_factor},
          {"original_max_position_embeddings", static_cast<std::int64_t>(s.original_context)}};
  }
  return json::value(nullptr);
}

const char* torch_name(DType type) {
  return type == DType::kF16 ? "float16" : type == DType::kBF16 ? "bfloat16" : "float32";
}

// The type that most of the weights have.
DType main_type(const WritePlan& plan) {
  std::map<DType, std::int64_t> num_values;
  for (const OutputTensor& output : plan.tensors)
    num_values[output.dtype] += output.tensor->rows * output.tensor->columns;
  DType best = DType::kF32;
  for (const auto& [type, n] : num_values)
    if (n > num_values[best]) best = type;
  return best;
}

json::value end_tokens(const TokenizerSource& t) {
  std::vector<TokenId> ids = t.end_tokens;
  for (const auto& id : {t.eos, t.eom, t.eot})
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  if (ids.empty()) return nullptr;
  if (ids.size() == 1) return ids[0];
  return json::value(json::array(ids.begin(), ids.end()));
}

Result<std::string> config_json(const ModelSource& source, const WritePlan& plan,
                                const TokenizerSource& tokenizer) {
  const LlamaConfig& c = source.config;
  json::object config;
  config["_name_or_path"] = c.name;
  config["architectures"] = json::array{"LlamaForCausalLM"};
  config["model_type"] = "llama";
  config["hidden_size"] = c.model_dim;
  config["intermediate_size"] = c.ffn_dim;
  config["num_hidden_layers"] = c.num_layers;
  config["num_attention_heads"] = c.num_heads;
  config["num_key_value_heads"] = c.num_kv_heads;
  config["head_dim"] = c.head_dim;
  config["vocab_size"] = c.vocab_size;
  config["max_position_embeddings"] = c.max_context;
  config["rms_norm_eps"] = c.norm_eps;
  config["rope_theta"] = c.rope.theta;
  config["rope_scaling"] = PRONK_TRY(rope_scaling(c));
  config["tie_word_embeddings"] = c.tied_output;
  config["hidden_act"] = "silu";
  config["attention_bias"] = false;
  config["mlp_bias"] = false;
  config["initializer_range"] = 0.02;
  config["use_cache"] = true;
  config["torch_dtype"] = torch_name(main_type(plan));
  if (tokenizer.bos) config["bos_token_id"] = *tokenizer.bos;
  if (const json::value ends = end_tokens(tokenizer); !ends.is_null())
    config["eos_token_id"] = ends;
  return json::serialize(config);
}

std::string generation_json(const ModelSource& source, const TokenizerSource& tokenizer) {
  const GenerationDefaults& g = source.generation;
  json::object config;
  const auto add = [&](const char* key, const auto& value) {
    if (value) config[key] = *value;
  };
  add("bos_token_id", tokenizer.bos);
  if (const json::value ends = end_tokens(tokenizer); !ends.is_null())
    config["eos_token_id"] = ends;
  add("pad_token_id", tokenizer.padding);
  add("do_sample", g.do_sample);
  add("temperature", g.temperature);
  add("top_p", g.top_p);
  add("top_k", g.top_k);
  add("min_p", g.min_p);
  add("repetition_penalty", g.repetition_penalty);
  return json::serialize(config);
}

// ---- safetensors --------------------------------------------------------------------------------

struct Shard {
  std::vector<const OutputTensor*> tensors;
  std::int64_t bytes = 0;
};

std::int64_t size_of(const OutputTensor& output) {
  return output.tensor->rows * row_bytes(output.dtype, output.tensor->columns);
}

std::vector<Shard> make_shards(const WritePlan& plan) {
  std::vector<Shard> shards(1);
  for (const OutputTensor& output : plan.tensors) {
    const std::int64_t size = size_of(output);
    if (shards.back().bytes > 0 && shards.back().bytes + size > plan.max_shard_bytes)
      shards.emplace_back();
    shards.back().tensors.push_back(&output);
    shards.back().bytes += size;
  }
  return shards;
}

std::string shard_name(std::size_t index, std::size_t count) {
  return count == 1 ? "model.safetensors"
                    : fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, count);
}

// Length and JSON, padded with spaces so that the data is aligned to 8 bytes.
std::string shard_header(const Shard& shard) {
  json::object header;
  header["__metadata__"] = {{"format", "pt"}};
  std::int64_t at = 0;
  for (const OutputTensor* output : shard.tensors) {
    const TensorSource& tensor = *output->tensor;
    json::array shape;
    if (tensor.rows != 1 || !tensor.name.ends_with("norm.weight")) shape.push_back(tensor.rows);
    shape.push_back(tensor.columns);
    const std::int64_t end = at + size_of(*output);
    header[tensor.name] = {{"dtype", safetensors_type(output->dtype)},
                           {"shape", shape},
                           {"data_offsets", json::array{at, end}}};
    at = end;
  }
  std::string text = json::serialize(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}

Status write_shards(const WritePlan& plan, const fs::path& folder) {
  const std::vector<Shard> shards = make_shards(plan);
  RowWriter rows(plan);
  json::object weight_map;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    AtomicFile file = PRONK_TRY(AtomicFile::create(folder / name));
    PRONK_TRY(file.write(shard_header(shards[i])));
    for (const OutputTensor* output : shards[i].tensors) {
      PRONK_TRY(rows.write(*output, 0, &file));
      weight_map[output->tensor->name] = name;
    }
    PRONK_TRY(file.commit());
  }
  if (shards.size() == 1) return Ok{};
  const json::value index{{"metadata", {{"total_size", plan.total_bytes()}}},
                          {"weight_map", weight_map}};
  return write_file(folder / "model.safetensors.index.json", json::serialize(index));
}

// A folder that is removed with all its files unless it is committed under its final name.
class PartialFolder {
 public:
  static Result<PartialFolder> create(const fs::path& final_path) {
    PartialFolder folder(final_path);
    std::error_code failure;
    if (!fs::create_directory(folder.path_, failure))
      return error(Code::kFailed, fmt::format("create '{}': {}", folder.path_.string(),
                                              failure ? failure.message() : "it exists"));
    folder.active_ = true;
    return folder;
  }
  PartialFolder(PartialFolder&& other) noexcept
      : final_path_(std::move(other.final_path_)),
        path_(std::move(other.path_)),
        active_(std::exchange(other.active_, false)) {}
  ~PartialFolder() {
    std::error_code ignored;
    if (active_) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

  Status commit() {
    std::error_code failure;
    fs::rename(path_, final_path_, failure);
    if (failure)
      return error(Code::kFailed,
                   fmt::format("rename to '{}': {}", final_path_.string(), failure.message()));
    active_ = false;
    return Ok{};
  }

 private:
  explicit PartialFolder(fs::path final_path) : final_path_(std::move(final_path)) {
    if (!final_path_.has_filename()) final_path_ = final_path_.parent_path();  // "folder/"
    path_ = final_path_;
    path_ += fmt::format(".partial-{}", ::getpid());
  }
  fs::path final_path_, path_;
  bool active_ = false;
};

}  // namespace

Status write_hf_folder(const ModelSource& source, const WritePlan& plan, const fs::path& folder) {
  PRONK_TRY(check_absent(folder));
  const TokenizerSource tokenizer = source.tokenizer.kind == TokenizerSource::Kind::kHuggingFaceJson
                                        ? source.tokenizer
                                        : PRONK_TRY(to_gguf_tokenizer(source.tokenizer, 0));
  const std::string config = PRONK_TRY(config_json(source, plan, tokenizer));
  const std::vector<NamedFile> files = PRONK_TRY(to_hf_tokenizer(source));

  PartialFolder partial = PRONK_TRY(PartialFolder::create(folder));
  PRONK_TRY(write_file(partial.path() / "config.json", config));
  PRONK_TRY(
      write_file(partial.path() / "generation_config.json", generation_json(source, tokenizer)));
  for (const NamedFile& file : files) PRONK_TRY(write_file(partial.path() / file.name, file.bytes));
  if (!source.licence.empty())
    PRONK_TRY(source.licence.find('\n') == std::string::npos
                  ? write_file(partial.path() / "README.md",
                               fmt::format("---\nlicense: {}\n---\n", source.licence))
                  : write_file(partial.path() / "LICENSE", source.licence));
  PRONK_TRY(write_shards(plan, partial.path()));
  PRONK_TRY(source.check_intact());
  return partial.commit();
}

}  // namespace pronk
