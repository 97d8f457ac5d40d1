#include "formats/gguf_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "formats/assemble.h"
#include "formats/tensor_names.h"

namespace pronk {
namespace {

constexpr const char* kRopeFreqs = "rope_freqs.weight";
constexpr std::int64_t kMaxSplitFiles = 99999;  // five digits in a file name

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }
Error unsupported(std::string what) { return error(Code::kUnsupported, std::move(what)); }

// ---- configuration ------------------------------------------------------------------------------

Result<std::int64_t> required(const GgufFile& file, std::string_view key) {
  const auto value = PRONK_TRY(file.integer(key));
  if (!value) return corrupt(fmt::format("metadata '{}' is missing", key));
  return *value;
}

Status check_architecture(const GgufFile& file) {
  const auto architecture = PRONK_TRY(file.string("general.architecture"));
  if (!architecture) return corrupt("metadata 'general.architecture' is missing");
  if (*architecture != "llama")
    return unsupported(
        fmt::format("the architecture is '{}'; models of the architecture 'llama' are supported",
                    *architecture));
  return Ok{};
}

// Models that call themselves llama and compute something else.
Status check_variants(const GgufFile& file) {
  struct Switch {
    const char* key;
    double harmless;
  };
  constexpr Switch kSwitches[] = {{"llama.expert_count", 0},
                                  {"llama.attention.sliding_window", 0},
                                  {"llama.logit_scale", 1},
                                  {"llama.residual_scale", 1},
                                  {"llama.embedding_scale", 1},
                                  {"llama.attention.clamp_kqv", 0},
                                  {"llama.attention.scale", 0},
                                  {"llama.attn_logit_softcapping", 0},
                                  {"llama.final_logit_softcapping", 0}};
  for (const Switch& s : kSwitches)
    if (const auto value = PRONK_TRY(file.real(s.key));
        value && *value != s.harmless && *value != 0)
      return unsupported(
          fmt::format("'{}' is {}; Llama models without it are supported", s.key, *value));
  if (!PRONK_TRY(file.boolean("llama.attention.causal")).value_or(true))
    return unsupported("'llama.attention.causal' is false; causal models are supported");
  return Ok{};
}

Result<RopeConfig> read_rope(const GgufFile& file, std::vector<std::string>* notes) {
  RopeConfig rope;
  const auto theta = PRONK_TRY(file.real("llama.rope.freq_base"));
  rope.theta = theta.value_or(10000);
  if (!theta)
    notes->push_back("llama.rope.freq_base is absent; GGUF then means a RoPE base of 10000");
  const auto type = PRONK_TRY(file.string("llama.rope.scaling.type")).value_or("");
  auto factor = PRONK_TRY(file.real("llama.rope.scaling.factor"));
  if (!factor) factor = PRONK_TRY(file.real("llama.rope.scale_linear"));  // the key's older name
  if (type == "linear" || (type.empty() && factor)) {
    if (!factor) return corrupt("metadata 'llama.rope.scaling.factor' is missing");
    if (*factor != 0 && *factor != 1) {
      rope.scaling.kind = RopeScaling::Kind::kLinear;
      rope.scaling.factor = *factor;
    }
  } else if (!type.empty() && type != "none") {
    return unsupported(fmt::format(
        "RoPE scaling is of type '{}'; none, linear and Llama 3's are supported", type));
  }
  return rope;
}

// The embedding decides, as it does for llama.cpp; `embedding_rows` is 0 when the file holds no
// weights.
Result<int> vocabulary_size(const GgufFile& file, std::int64_t embedding_rows,
                            std::vector<std::string>* notes) {
  const std::int64_t said = PRONK_TRY(file.integer("llama.vocab_size")).value_or(0);
  if (embedding_rows != 0 && said != 0 && said != embedding_rows)
    notes->push_back(fmt::format("ignored llama.vocab_size {}: the embedding has {} rows", said,
                                 embedding_rows));
  std::int64_t size = embedding_rows != 0 ? embedding_rows : said;
  if (size == 0) size = std::ssize(PRONK_TRY(file.strings("tokenizer.ggml.tokens")));
  return dimension(size, "vocabulary size");
}

// `embedding_rows` as above.
Result<LlamaConfig> read_config(const GgufFile& file, std::int64_t embedding_rows,
                                std::vector<std::string>* notes) {
  PRONK_TRY(check_architecture(file));
  PRONK_TRY(check_variants(file));
  const auto get = [&](const char* key, const char* what) -> Result<int> {
    return dimension(PRONK_TRY(required(file, key)), what);
  };
  LlamaConfig c;
  c.name = PRONK_TRY(file.string("general.name")).value_or("");
  c.num_layers = PRONK_TRY(get("llama.block_count", "number of layers"));
  c.model_dim = PRONK_TRY(get("llama.embedding_length", "model dimension"));
  c.ffn_dim = PRONK_TRY(get("llama.feed_forward_length", "feed-forward dimension"));
  c.num_heads = PRONK_TRY(get("llama.attention.head_count", "number of heads"));
  c.num_kv_heads = c.num_heads;
  if (const auto n = PRONK_TRY(file.integer("llama.attention.head_count_kv")))
    c.num_kv_heads = PRONK_TRY(dimension(*n, "number of key/value heads"));
  c.max_context = PRONK_TRY(get("llama.context_length", "context length"));

  const auto key_length = PRONK_TRY(file.integer("llama.attention.key_length"));
  if (!key_length && c.model_dim % c.num_heads != 0)
    return corrupt(
        fmt::format("{} dimensions cannot be split into {} heads", c.model_dim, c.num_heads));
  c.head_dim =
      PRONK_TRY(dimension(key_length.value_or(c.model_dim / c.num_heads), "head dimension"));
  const auto value_length = PRONK_TRY(file.integer("llama.attention.value_length"));
  if (value_length.value_or(c.head_dim) != c.head_dim)
    return unsupported(
        fmt::format("keys have {} dimensions and values {}; equal ones are supported", c.head_dim,
                    *value_length));
  const auto rotated = PRONK_TRY(file.integer("llama.rope.dimension_count"));
  if (rotated.value_or(c.head_dim) != c.head_dim)
    return unsupported(
        fmt::format("RoPE turns {} of {} dimensions; all is supported", *rotated, c.head_dim));

  const auto epsilon = PRONK_TRY(file.real("llama.attention.layer_norm_rms_epsilon"));
  if (!epsilon) return corrupt("metadata 'llama.attention.layer_norm_rms_epsilon' is missing");
  c.norm_eps = *epsilon;
  c.rope = PRONK_TRY(read_rope(file, notes));
  c.vocab_size = PRONK_TRY(vocabulary_size(file, embedding_rows, notes));
  return c;
}

GenerationDefaults read_generation(const GgufFile& file) {
  GenerationDefaults defaults;
  const auto real = [&](const char* key) {
    const auto value = file.real(key);
    return value ? *value : std::nullopt;  // a recommendation of the wrong type is none
  };
  defaults.temperature = real("general.sampling.temp");
  defaults.top_p = real("general.sampling.top_p");
  defaults.min_p = real("general.sampling.min_p");
  defaults.repetition_penalty = real("general.sampling.penalty_repeat");
  if (const auto k = real("general.sampling.top_k"); k && *k >= 0 && *k <= kMaxDimension)
    defaults.top_k = static_cast<int>(*k);
  return defaults;
}

// `general.*` that has no other place in a ModelSource; of types that descriptions have.
Result<std::vector<Description>> read_descriptions(const GgufFile& file) {
  constexpr std::string_view kElsewhere[] = {
      "general.architecture", "general.name",      "general.license",
      "general.alignment",    "general.file_type", "general.quantization_version"};
  std::vector<Description> descriptions;
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with("general.") || key.starts_with("general.sampling.") ||
        std::find(std::begin(kElsewhere), std::end(kElsewhere), key) != std::end(kElsewhere))
      continue;
    if (value.type == GgufType::kString)
      descriptions.push_back({key, *PRONK_TRY(file.string(key))});
    else if (value.type == GgufType::kArray && value.element == GgufType::kString)
      descriptions.push_back({key, PRONK_TRY(file.strings(key))});
    else if (value.type == GgufType::kU32)
      descriptions.push_back({key, static_cast<std::uint32_t>(*PRONK_TRY(file.integer(key)))});
  }
  return descriptions;
}

Result<std::vector<ChatTemplateSource>> read_templates(const GgufFile& file) {
  std::vector<ChatTemplateSource> templates;
  if (auto text = PRONK_TRY(file.string("tokenizer.chat_template")))
    templates.push_back({"default", *std::move(text)});
  constexpr std::string_view kNamed = "tokenizer.chat_template.";
  for (const auto& [key, value] : file.metadata())
    if (key.starts_with(kNamed)) {
      std::string text = PRONK_TRY(file.string(key)).value_or("");
      templates.push_back({key.substr(kNamed.size()), std::move(text)});
    }
  return templates;
}

// ---- tensors ------------------------------------------------------------------------------------

Error unsupported_type(const GgufTensor& tensor) {
  std::string supported;
  for (int i = 0; i < kNumDTypes; ++i)
    if (const auto type = static_cast<DType>(i); is_in_gguf(type))
      supported += fmt::format("{}{}", supported.empty() ? "" : " ", info(type).name);
  return unsupported(fmt::format("tensor '{}' is of type {}; supported are {}", tensor.name,
                                 ggml_type_name(tensor.type), supported));
}

Status read_rope_freqs(const GgufFile& file, const GgufTensor& tensor, RopeConfig* rope) {
  if (dtype_from_ggml(tensor.type) != DType::kF32 || tensor.rows != 1 ||
      tensor.columns > kMaxDimension)
    return corrupt(fmt::format("{} is no vector of F32", kRopeFreqs));
  rope->divisors.resize(static_cast<std::size_t>(tensor.columns));
  std::memcpy(rope->divisors.data(), file.bytes().data() + tensor.offset,
              rope->divisors.size() * sizeof(float));
  return Ok{};
}

Status add_tensor(const GgufFile& file, const GgufTensor& stored, ModelSource* source) {
  if (stored.name == kRopeFreqs) return read_rope_freqs(file, stored, &source->config.rope);
  if (stored.name.ends_with("rotary_emb.inv_freq") || stored.name.ends_with("attn_rot_embd")) {
    source->notes.push_back(fmt::format("ignored {}", stored.name));
    return Ok{};
  }
  const auto type = dtype_from_ggml(stored.type);
  if (!type || !is_in_gguf(*type)) return unsupported_type(stored);
  const auto name = name_from_gguf(stored.name);
  if (!name)
    return unsupported(
        fmt::format("tensor '{}' has no place in a Llama model; this is another "
                    "architecture",
                    stored.name));
  TensorSource tensor{
      .name = *name, .dtype = *type, .rows = stored.rows, .columns = stored.columns};
  tensor.pieces.push_back({.num_rows = stored.rows,
                           .num_columns = stored.columns,
                           .data = file.bytes().data() + stored.offset,
                           .row_stride = row_bytes(*type, stored.columns)});
  if (!source->tensors.emplace(*name, std::move(tensor)).second)
    return corrupt(fmt::format("tensor '{}' stands twice", stored.name));
  return Ok{};
}

// q and k rows lie in interleaved pairs.
void mark_rotated(ModelSource* source) {
  for (const TensorShape& shape : llama_tensors(source->config))
    if (const auto found = source->tensors.find(shape.name); found != source->tensors.end())
      found->second.interleaved_heads = shape.rotated_heads;
}

// ---- split sets ---------------------------------------------------------------------------------

Result<std::int64_t> split_count(const GgufFile& file) {
  const auto count = PRONK_TRY(file.integer("split.count")).value_or(0);
  if (count < 0 || count > kMaxSplitFiles)
    return corrupt(fmt::format("split.count is {}, at most {} is possible", count, kMaxSplitFiles));
  return std::max<std::int64_t>(count, 1);
}

Status check_split(std::span<const GgufFile> files) {
  for (std::size_t i = 0; i < files.size() && files.size() > 1; ++i) {
    const auto count = PRONK_TRY(required(files[i], "split.count"));
    const auto number = PRONK_TRY(required(files[i], "split.no"));
    if (count != std::ssize(files) || number != static_cast<std::int64_t>(i))
      return corrupt(
          fmt::format("file {} of {} says that it is number {} of {}; the set is mixed up", i + 1,
                      files.size(), number + 1, count));
  }
  std::int64_t num_tensors = 0;
  for (const GgufFile& file : files) num_tensors += std::ssize(file.tensors());
  const auto total = PRONK_TRY(files[0].integer("split.tensors.count"));
  if (files.size() > 1 && total && *total != num_tensors)
    return corrupt(
        fmt::format("the set has {} tensors, its first file says {}", num_tensors, *total));
  return Ok{};
}

// The paths of the whole set that `path` belongs to.
Result<std::vector<std::filesystem::path>> split_paths(const std::filesystem::path& path,
                                                       std::int64_t count) {
  const std::string file_name = path.filename().string();
  const std::string ending = fmt::format("-of-{:05}.gguf", count);
  constexpr std::size_t kNumberLength = 6;  // "-00001"
  std::string_view stem = file_name;
  bool named = stem.ends_with(ending) && stem.size() >= ending.size() + kNumberLength;
  if (named) {
    stem.remove_suffix(ending.size());
    const std::string_view number = stem.substr(stem.size() - kNumberLength);
    named = number[0] == '-' && number.find_first_not_of("0123456789", 1) == number.npos;
    stem.remove_suffix(kNumberLength);
  }
  if (!named)
    return corrupt(
        fmt::format("'{}' is one of {} files, but is not called NAME-0000N-of-{:05}.gguf; "
                    "give the files their names back",
                    file_name, count, count));
  std::vector<std::filesystem::path> paths;
  for (std::int64_t i = 1; i <= count; ++i)
    paths.push_back(path.parent_path() / fmt::format("{}-{:05}{}", stem, i, ending));
  return paths;
}

}  // namespace

Status check_gguf_tokenizer(const TokenizerSource& t) {
  if (t.kind != TokenizerSource::Kind::kGguf) return Ok{};
  const std::size_t n = t.tokens.size();
  if (n == 0) return corrupt("metadata 'tokenizer.ggml.tokens' is missing or empty");
  if (!t.scores.empty() && t.scores.size() != n)
    return corrupt(fmt::format("tokenizer: {} scores for {} tokens", t.scores.size(), n));
  if (!t.token_types.empty() && t.token_types.size() != n)
    return corrupt(fmt::format("tokenizer: {} token types for {} tokens", t.token_types.size(), n));
  return Ok{};
}

Result<TokenizerSource> read_gguf_tokenizer(const GgufFile& file, std::vector<std::string>* notes) {
  TokenizerSource t;
  t.gguf_model = PRONK_TRY(file.string("tokenizer.ggml.model")).value_or("none");
  if (t.gguf_model == "none" || t.gguf_model == "no_vocab") return t;
  if (t.gguf_model != "gpt2" && t.gguf_model != "llama")
    return unsupported(
        fmt::format("the tokenizer is of kind '{}'; 'gpt2' (byte-level BPE) and 'llama' "
                    "(SentencePiece) are supported",
                    t.gguf_model));
  t.kind = TokenizerSource::Kind::kGguf;
  t.gguf_pre = PRONK_TRY(file.string("tokenizer.ggml.pre")).value_or("");
  t.tokens = PRONK_TRY(file.strings("tokenizer.ggml.tokens"));
  t.scores = PRONK_TRY(file.floats("tokenizer.ggml.scores"));
  t.token_types = PRONK_TRY(file.integers("tokenizer.ggml.token_type"));
  t.merges = PRONK_TRY(file.strings("tokenizer.ggml.merges"));
  PRONK_TRY(check_gguf_tokenizer(t));
  const std::size_t n = t.tokens.size();

  struct Named {
    const char* key;
    std::optional<TokenId>* id;
  };
  const Named ids[] = {{"tokenizer.ggml.bos_token_id", &t.bos},
                       {"tokenizer.ggml.eos_token_id", &t.eos},
                       {"tokenizer.ggml.eot_token_id", &t.eot},
                       {"tokenizer.ggml.eom_token_id", &t.eom},
                       {"tokenizer.ggml.unknown_token_id", &t.unknown},
                       {"tokenizer.ggml.padding_token_id", &t.padding}};
  for (const Named& named : ids) {
    const auto id = PRONK_TRY(file.integer(named.key));
    if (id && *id >= 0 && *id < static_cast<std::int64_t>(n))
      *named.id = static_cast<TokenId>(*id);
    else if (id)
      notes->push_back(fmt::format("ignored {} {}: there are {} tokens", named.key, *id, n));
  }
  t.add_bos = PRONK_TRY(file.boolean("tokenizer.ggml.add_bos_token"));
  t.add_eos = PRONK_TRY(file.boolean("tokenizer.ggml.add_eos_token"));
  t.add_space_prefix = PRONK_TRY(file.boolean("tokenizer.ggml.add_space_prefix"));
  t.remove_extra_whitespaces = PRONK_TRY(file.boolean("tokenizer.ggml.remove_extra_whitespaces"));
  return t;
}

Status read_gguf_files(std::span<const std::span<const std::byte>> files,
                       const ReadOptions& options, ModelSource* source) {
  std::vector<GgufFile> parsed;
  for (const auto& bytes : files) parsed.push_back(PRONK_TRY(GgufFile::parse(bytes)));
  PRONK_TRY(check_split(parsed));
  const GgufFile& first = parsed[0];  // holds all metadata
  source->format = fmt::format("GGUF v{}", first.version());
  PRONK_TRY(check_architecture(first));

  std::int64_t embedding_rows = 0;
  bool has_output = false;
  for (const GgufFile& file : parsed)
    for (const GgufTensor& tensor : file.tensors()) {
      if (tensor.name == "token_embd.weight") embedding_rows = tensor.rows;
      has_output |= tensor.name == "output.weight";
    }
  source->config = PRONK_TRY(read_config(first, embedding_rows, &source->notes));
  source->tokenizer = PRONK_TRY(read_gguf_tokenizer(first, &source->notes));
  source->chat_templates = PRONK_TRY(read_templates(first));
  source->generation = read_generation(first);
  source->descriptions = PRONK_TRY(read_descriptions(first));
  source->licence = PRONK_TRY(first.string("general.license")).value_or("");

  for (const GgufFile& file : parsed)
    for (const GgufTensor& tensor : file.tensors())
      if (options.weights || tensor.name == kRopeFreqs) PRONK_TRY(add_tensor(file, tensor, source));
  source->config.tied_output = !has_output;
  PRONK_TRY(check_config(source->config));
  if (options.weights) {
    mark_rotated(source);
    PRONK_TRY(check_tensors(*source));
  }
  return check_vocabulary(source);
}

Status read_gguf(const std::filesystem::path& path, const ReadOptions& options,
                 ModelSource* source) {
  source->files.push_back(PRONK_TRY(MappedFile::open(path)));
  const GgufFile given = PRONK_TRY(GgufFile::parse(source->files[0]->bytes()));
  if (const std::int64_t count = PRONK_TRY(split_count(given)); count > 1) {
    source->files.clear();
    for (const auto& part : PRONK_TRY(split_paths(path, count)))
      source->files.push_back(PRONK_TRY_IN(fmt::format("the model is split into {} files", count),
                                           MappedFile::open(part)));
  }
  std::vector<std::span<const std::byte>> bytes;
  for (const auto& file : source->files) bytes.push_back(file->bytes());
  return read_gguf_files(bytes, options, source);
}

}  // namespace pronk
