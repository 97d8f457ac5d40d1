#include "formats/llama2c_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "formats/assemble.h"
#include "formats/llama2c_tokenizer.h"
#include "formats/tensor_names.h"

namespace pronk {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMagic = 0x616b3432;
constexpr std::size_t kHeaderSize = 256, kHeaderSizeV0 = 7 * sizeof(std::int32_t);

Error corrupt(std::string what) { return error(Code::kCorruptData, std::move(what)); }

struct Header {
  int version = 0;
  bool shared_output = true;
  std::int32_t group_size = 0;  // version 2
  LlamaConfig config;
};

// The seven numbers. The base of RoPE and the norms' epsilon are fixed by llama2.c's code.
Result<LlamaConfig> read_numbers(ByteReader* in, bool* shared_output) {
  std::int32_t numbers[7];
  for (std::int32_t& number : numbers) number = PRONK_TRY(in->number<std::int32_t>());
  const auto [dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len] = numbers;
  LlamaConfig c;
  c.model_dim = dim;
  c.ffn_dim = hidden_dim;
  c.num_layers = n_layers;
  c.num_heads = n_heads;
  c.num_kv_heads = n_kv_heads;
  c.vocab_size = PRONK_TRY(dimension(std::llabs(vocab_size), "vocabulary size"));
  *shared_output = vocab_size > 0;
  c.max_context = PRONK_TRY(dimension(seq_len, "context length"));
  if (n_heads < 1 || dim < 1 || dim % n_heads != 0)
    return corrupt(fmt::format("{} dimensions cannot be split into {} heads", dim, n_heads));
  c.head_dim = dim / n_heads;
  c.norm_eps = 1e-5;
  c.rope.theta = 10000;
  PRONK_TRY(check_config(c));
  return c;
}

Result<Header> read_header(std::span<const std::byte> bytes) {
  Header header;
  ByteReader in(bytes);
  if (bytes.size() >= kHeaderSize && load_le<std::uint32_t>(bytes.data()) == kMagic) {
    PRONK_TRY(in.take(4));
    header.version = PRONK_TRY(in.number<std::int32_t>());
    if (header.version != 1 && header.version != 2)
      return error(Code::kUnsupported,
                   fmt::format("llama2.c version {}; 0, 1 and 2 are supported", header.version));
  }
  header.config = PRONK_TRY(read_numbers(&in, &header.shared_output));
  if (header.version > 0) header.shared_output = PRONK_TRY(in.number<std::uint8_t>()) != 0;
  if (header.version == 2) header.group_size = PRONK_TRY(in.number<std::int32_t>());
  header.config.tied_output = header.shared_output;
  return header;
}

// The order of the file: names without the layer, whether there is one for each layer.
struct Group {
  std::string_view name;
  bool in_layers;
};
constexpr Group kOrderV0[] = {{"model.embed_tokens.weight", false},
                              {"input_layernorm.weight", true},
                              {"self_attn.q_proj.weight", true},
                              {"self_attn.k_proj.weight", true},
                              {"self_attn.v_proj.weight", true},
                              {"self_attn.o_proj.weight", true},
                              {"post_attention_layernorm.weight", true},
                              {"mlp.gate_proj.weight", true},
                              {"mlp.down_proj.weight", true},
                              {"mlp.up_proj.weight", true},
                              {"model.norm.weight", false},
                              {"", false},  // the tables
                              {"lm_head.weight", false}};
constexpr Group kOrderV1[] = {
    {"input_layernorm.weight", true},  {"post_attention_layernorm.weight", true},
    {"model.norm.weight", false},      {"model.embed_tokens.weight", false},
    {"self_attn.q_proj.weight", true}, {"self_attn.k_proj.weight", true},
    {"self_attn.v_proj.weight", true}, {"self_attn.o_proj.weight", true},
    {"mlp.gate_proj.weight", true},    {"mlp.down_proj.weight", true},
    {"mlp.up_proj.weight", true},      {"lm_head.weight", false}};

class Walker {
 public:
  Walker(std::span<const std::byte> bytes, const Header& header, ModelSource* source)
      : in_(bytes, header.version == 0 ? kHeaderSizeV0 : kHeaderSize),
        header_(header),
        source_(source) {
    for (const TensorShape& shape : llama_tensors(header.config)) shapes_[shape.name] = shape;
  }

  Status run() {
    const auto order = header_.version == 0 ? std::span<const Group>(kOrderV0) : kOrderV1;
    for (const Group& group : order) PRONK_TRY(add_group(group));
    if (in_.left() > 0) return corrupt(fmt::format("{} bytes behind the last tensor", in_.left()));
    return Ok{};
  }

 private:
  Status add_group(const Group& group) {
    if (group.name.empty()) {
      const LlamaConfig& c = header_.config;  // cosines and sines [max_context, K/2]
      PRONK_TRY(in_.take(std::uint64_t{sizeof(float)} * static_cast<std::uint64_t>(c.max_context) *
                         static_cast<std::uint64_t>(c.head_dim)));
      return Ok{};
    }
    if (!group.in_layers) {
      if (group.name == "lm_head.weight" && header_.shared_output) return Ok{};
      return add(std::string(group.name));
    }
    for (int layer = 0; layer < header_.config.num_layers; ++layer)
      PRONK_TRY(add(fmt::format("model.layers.{}.{}", layer, group.name)));
    return Ok{};
  }

  Status add(const std::string& name) {
    const TensorShape& shape = shapes_.at(name);
    TensorSource tensor{.name = name,
                        .rows = shape.rows,
                        .columns = shape.columns,
                        .interleaved_heads = shape.rotated_heads};
    const auto num_values = static_cast<std::uint64_t>(shape.rows * shape.columns);
    const bool is_quantized = header_.version == 2 && shape.rows > 1;
    const std::byte* data = is_quantized
                                ? PRONK_TRY_IN(name, dequantize(num_values))
                                : PRONK_TRY_IN(name, in_.take(num_values * sizeof(float))).data();
    tensor.pieces.push_back({.num_rows = shape.rows,
                             .num_columns = shape.columns,
                             .data = data,
                             .row_stride = row_bytes(DType::kF32, shape.columns)});
    source_->tensors.emplace(name, std::move(tensor));
    return Ok{};
  }

  // value = int8 * scale, exact in float32's rounding; groups run through the rows.
  Result<const std::byte*> dequantize(std::uint64_t num_values) {
    const auto group = static_cast<std::uint64_t>(std::max(header_.group_size, 0));
    if (group < 1 || num_values % group != 0)
      return corrupt(fmt::format("{} values cannot be split into groups of {}", num_values,
                                 header_.group_size));
    const auto stored = PRONK_TRY(in_.take(num_values));
    const auto scales = PRONK_TRY(in_.take(num_values / group * sizeof(float)));
    source_->owned.push_back(std::make_unique<std::byte[]>(num_values * sizeof(float)));
    std::byte* out = source_->owned.back().get();
    for (std::uint64_t i = 0; i < num_values; ++i) {
      const float scale = load_le<float>(&scales[i / group * sizeof(float)]);
      const float value = static_cast<float>(static_cast<std::int8_t>(stored[i])) * scale;
      std::memcpy(out + i * sizeof(float), &value, sizeof value);
    }
    return out;
  }

  ByteReader in_;
  const Header& header_;
  ModelSource* source_;
  std::map<std::string, TensorShape> shapes_;
};

// Bytes of a version 0 file with this header; all sizes are below 2^24, so nothing overflows.
std::uint64_t expected_size_v0(const LlamaConfig& c) {
  std::uint64_t values =
      static_cast<std::uint64_t>(c.max_context) * static_cast<std::uint64_t>(c.head_dim);
  for (const TensorShape& shape : llama_tensors(c))
    values += static_cast<std::uint64_t>(shape.rows * shape.columns);
  return kHeaderSizeV0 + values * sizeof(float);
}

// tokenizer.bin, or another tok*.bin of the same vocabulary.
Status find_tokenizer(const fs::path& folder, ModelSource* source) {
  std::vector<fs::path> candidates;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, failure)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("tok") && name.ends_with(".bin")) candidates.push_back(entry.path());
  }
  std::sort(candidates.begin(), candidates.end(), [](const fs::path& a, const fs::path& b) {
    const bool a_first = a.filename() == "tokenizer.bin", b_first = b.filename() == "tokenizer.bin";
    return a_first != b_first ? a_first : a < b;
  });
  constexpr std::size_t kMaxBytes = 64u << 20;
  for (const fs::path& path : candidates) {
    std::string bytes = PRONK_TRY(read_file(path, kMaxBytes));
    const auto tokens = parse_llama2c_tokens(bytes);
    if (!tokens || std::ssize(*tokens) != source->config.vocab_size) continue;
    TokenizerSource& t = source->tokenizer;
    t.kind = TokenizerSource::Kind::kLlama2c;
    t.bytes = std::move(bytes);
    t.unknown = 0, t.bos = 1, t.eos = 2;
    t.add_bos = true, t.add_eos = false;
    return Ok{};
  }
  source->notes.push_back(fmt::format("no tokenizer.bin or tok*.bin of {} tokens beside the model",
                                      source->config.vocab_size));
  return Ok{};
}

}  // namespace

bool is_llama2c(std::span<const std::byte> bytes) {
  const auto header = read_header(bytes);
  if (!header) return bytes.size() >= 4 && load_le<std::uint32_t>(bytes.data()) == kMagic;
  return header->version > 0 || expected_size_v0(header->config) == bytes.size();
}

Status read_llama2c_bytes(std::span<const std::byte> bytes, ModelSource* source) {
  const Header header = PRONK_TRY(read_header(bytes));
  source->format = fmt::format("llama2.c v{}", header.version);
  source->config = header.config;
  // Before anything is made for each layer: a header cannot claim more than the file holds.
  const auto num_norm_bytes = static_cast<std::uint64_t>(header.config.num_layers) *
                              static_cast<std::uint64_t>(header.config.model_dim) * sizeof(float);
  if (num_norm_bytes > bytes.size())
    return corrupt(fmt::format("{} layers of {} dimensions do not fit into {} bytes",
                               header.config.num_layers, header.config.model_dim, bytes.size()));
  PRONK_TRY(Walker(bytes, header, source).run());
  return check_tensors(*source);
}

Status read_llama2c(const fs::path& path, const ReadOptions& options, ModelSource* source) {
  source->files.push_back(PRONK_TRY(MappedFile::open(path)));
  PRONK_TRY(read_llama2c_bytes(source->files[0]->bytes(), source));
  source->config.name = path.stem().string();
  if (!options.weights) source->tensors.clear(), source->owned.clear();
  return find_tokenizer(path.parent_path(), source);
}

}  // namespace pronk
