// A synthetic model's bytes: safetensors, GGUF, PyTorch's zip and pickle, llama2.c.
#pragma once
#include <fmt/format.h>
#include <zlib.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "formats/synthetic_model.h"
#include "tensor/dequantize.h"
#include "tensor/dtype.h"

namespace pronk::testing {

inline std::string encode(const Matrix& m, DType type) {
  std::string bytes(static_cast<std::size_t>(m.rows * row_bytes(type, m.columns)), '\0');
  for (std::int64_t r = 0; r < m.rows; ++r)
    quantize_row(type, &m.values[static_cast<std::size_t>(r * m.columns)], m.columns,
                 reinterpret_cast<std::byte*>(bytes.data()) + r * row_bytes(type, m.columns));
  return bytes;
}

// ---- safetensors --------------------------------------------------------------------------------

struct Array {
  std::string name, type, shape, bytes;
};

inline std::string safetensors(const std::vector<Array>& arrays) {
  std::string header = "{", data;
  for (const Array& a : arrays) {
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.size() > 1 ? "," : "", a.name, a.type, a.shape, data.size(),
                          data.size() + a.bytes.size());
    data += a.bytes;
  }
  header += "}";
  std::string out;
  put<std::uint64_t>(&out, header.size());
  return out + header + data;
}

inline std::vector<Array> arrays_of(const SyntheticModel& model, DType type,
                                    const char* type_name) {
  std::vector<Array> arrays;
  for (const auto& [name, m] : model.tensors)
    arrays.push_back(
        {name, type_name,
         m.rows == 1 ? std::to_string(m.columns) : fmt::format("{},{}", m.rows, m.columns),
         encode(m, type)});
  return arrays;
}

inline std::string hf_config(const LlamaConfig& c) {
  return fmt::format(
      R"({{"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_act":"silu",
"hidden_size":{},"intermediate_size":{},"num_hidden_layers":{},"num_attention_heads":{},
"num_key_value_heads":{},"head_dim":{},"vocab_size":{},"max_position_embeddings":{},
"rms_norm_eps":1e-05,"tie_word_embeddings":{},"rope_theta":500000.0,
"rope_scaling":{{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
"original_max_position_embeddings":8192}}}})",
      c.model_dim, c.ffn_dim, c.num_layers, c.num_heads, c.num_kv_heads, c.head_dim, c.vocab_size,
      c.max_context, c.tied_output);
}

// ---- GGUF ---------------------------------------------------------------------------------------

struct GgufBytes {
  std::string pairs, tensors, data;
  std::uint64_t num_pairs = 0, num_tensors = 0;
  std::uint32_t version = 3;

  void text(std::string* out, const std::string& s) {
    put<std::uint64_t>(out, s.size()), *out += s;
  }
  void key(const std::string& k, std::uint32_t type) {
    text(&pairs, k), put(&pairs, type), ++num_pairs;
  }
  void add(const std::string& k, const std::string& v) { key(k, 8), text(&pairs, v); }
  void add(const std::string& k, std::uint32_t v) { key(k, 4), put(&pairs, v); }
  void add(const std::string& k, float v) { key(k, 6), put(&pairs, v); }
  void add_u16(const std::string& k, std::uint16_t v) { key(k, 2), put(&pairs, v); }
  void tensor(const std::string& name, std::int64_t rows, std::int64_t columns, std::uint32_t type,
              const std::string& bytes) {
    text(&tensors, name);
    put<std::uint32_t>(&tensors, rows == 1 ? 1 : 2);
    put<std::int64_t>(&tensors, columns);
    if (rows != 1) put<std::int64_t>(&tensors, rows);
    put(&tensors, type);
    put<std::uint64_t>(&tensors, data.size());
    data += bytes;
    data.resize((data.size() + 31) / 32 * 32);
    ++num_tensors;
  }
  std::string bytes() const {
    std::string out = "GGUF";
    put(&out, version);
    put(&out, num_tensors);
    put(&out, num_pairs);
    out += pairs + tensors;
    out.resize((out.size() + 31) / 32 * 32);
    return out + data;
  }
};

inline void add_gguf_config(const LlamaConfig& c, GgufBytes* g) {
  const auto number = [&](const char* key, int v) { g->add(key, static_cast<std::uint32_t>(v)); };
  g->add("general.architecture", std::string("llama"));
  number("llama.block_count", c.num_layers);
  number("llama.context_length", c.max_context);
  number("llama.embedding_length", c.model_dim);
  number("llama.feed_forward_length", c.ffn_dim);
  number("llama.attention.head_count", c.num_heads);
  number("llama.attention.head_count_kv", c.num_kv_heads);
  g->add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  g->add("llama.rope.freq_base", 500000.0f);
}

inline void add_gguf_tensor(const std::string& name, const Matrix& m, const LlamaConfig& c,
                            GgufBytes* g) {
  const bool q = name.ends_with("q_proj.weight"), k = name.ends_with("k_proj.weight");
  const Matrix stored = q || k ? interleave(m, q ? c.num_heads : c.num_kv_heads) : m;
  g->tensor(name_to_gguf(name), m.rows, m.columns, 0, encode(stored, DType::kF32));
}

inline GgufBytes gguf(const SyntheticModel& model) {
  GgufBytes g;
  add_gguf_config(model.config, &g);
  for (const auto& [name, m] : model.tensors) add_gguf_tensor(name, m, model.config, &g);
  return g;
}

// ---- zip and pickle -----------------------------------------------------------------------------

inline std::string zip(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out, directory;
  for (const auto& [name, bytes] : members) {
    const auto crc = static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    std::string common;  // version, flags, method, time, date, crc, sizes, name and extra length
    for (const int v : {20, 0, 0, 0, 0}) put(&common, static_cast<std::uint16_t>(v));
    put(&common, crc);
    put(&common, static_cast<std::uint32_t>(bytes.size()));
    put(&common, static_cast<std::uint32_t>(bytes.size()));
    put(&common, static_cast<std::uint16_t>(name.size()));
    const auto offset = static_cast<std::uint32_t>(out.size());
    // The data begins at a multiple of 64, as PyTorch has it: padding in the local extra field.
    const std::size_t padding = (64 - (out.size() + 30 + name.size()) % 64) % 64;
    out += "PK\3\4" + common;
    put(&out, static_cast<std::uint16_t>(padding));
    out += name + std::string(padding, 'Z') + bytes;
    directory += "PK\1\2";
    put<std::uint16_t>(&directory, 20);
    directory += common;
    put<std::uint16_t>(&directory, 0);              // extra
    directory += std::string(2 + 2 + 2 + 4, '\0');  // comment, disk, attributes
    put(&directory, offset);
    directory += name;
  }
  const auto directory_offset = static_cast<std::uint32_t>(out.size());
  out += directory + "PK\5\6" + std::string(4, '\0');
  for (int i = 0; i < 2; ++i) put(&out, static_cast<std::uint16_t>(members.size()));
  put(&out, static_cast<std::uint32_t>(directory.size()));
  put(&out, directory_offset);
  put<std::uint16_t>(&out, 0);
  return out;
}

struct TorchEntry {
  std::string name;
  Matrix matrix;
  DType type = DType::kF32;
};

class PickleBytes {
 public:
  std::string out = std::string("\x80\x02") + "}(";
  void text(const std::string& s) {
    out += 'X';
    put(&out, static_cast<std::uint32_t>(s.size()));
    out += s;
  }
  void number(std::int64_t v) { out += 'J', put(&out, static_cast<std::int32_t>(v)); }
  void global(const std::string& module, const std::string& name) {
    out += "c" + module + "\n" + name + "\n";
  }
  void tuple(std::int64_t a, std::int64_t b, bool two) {
    number(a);
    if (two) number(b);
    out += two ? '\x86' : '\x85';
  }
  void entry(const TorchEntry& e, int key) {
    const bool fp8 = e.type == DType::kF8E4M3, two = e.matrix.rows > 1;
    text(e.name);
    global("torch._utils", fp8 ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
    out += "((";
    text("storage");
    if (fp8)
      global("torch.storage", "UntypedStorage");
    else
      global("torch", e.type == DType::kBF16 ? "BFloat16Storage" : "FloatStorage");
    text(std::to_string(key));
    text("cpu");
    number(e.matrix.rows * e.matrix.columns);
    out += "tQ";
    number(0);
    tuple(two ? e.matrix.rows : e.matrix.columns, e.matrix.columns, two);
    tuple(two ? e.matrix.columns : 1, 1, two);
    out += '\x89';
    global("collections", "OrderedDict");
    out += ")R";
    if (fp8) global("torch", "float8_e4m3fn");
    out += "tR";
  }
};

inline std::string torch_file(const std::vector<TorchEntry>& entries) {
  PickleBytes pickle;
  std::vector<std::pair<std::string, std::string>> members = {{"archive/data.pkl", ""}};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    pickle.entry(entries[i], static_cast<int>(i));
    members.emplace_back("archive/data/" + std::to_string(i),
                         encode(entries[i].matrix, entries[i].type));
  }
  members[0].second = pickle.out + "u.";
  members.emplace_back("archive/byteorder", "little");
  return zip(members);
}

// ---- Meta ---------------------------------------------------------------------------------------

struct MetaLayout {
  int num_shards = 1;
  bool fp8 = false;               // w1 w2 w3 of all layers but the first and last
  bool llama2_embedding = false;  // split by columns
};

struct MetaFiles {
  std::vector<std::string> shards, scales;
};

inline std::string meta_name(std::string name) {
  const std::pair<const char*, const char*> kParts[] = {{"model.embed_tokens", "tok_embeddings"},
                                                        {"model.layers", "layers"},
                                                        {"model.norm", "norm"},
                                                        {"lm_head", "output"},
                                                        {"self_attn.q_proj", "attention.wq"},
                                                        {"self_attn.k_proj", "attention.wk"},
                                                        {"self_attn.v_proj", "attention.wv"},
                                                        {"self_attn.o_proj", "attention.wo"},
                                                        {"mlp.gate_proj", "feed_forward.w1"},
                                                        {"mlp.down_proj", "feed_forward.w2"},
                                                        {"mlp.up_proj", "feed_forward.w3"},
                                                        {"input_layernorm", "attention_norm"},
                                                        {"post_attention_layernorm", "ffn_norm"}};
  for (const auto& [from, to] : kParts)
    if (const std::size_t at = name.find(from); at != std::string::npos)
      name.replace(at, std::string(from).size(), to);
  return name;
}

// The scale that the FP8 weights of a row are divided by: a power of two, so that nothing is lost.
inline float fp8_scale(std::int64_t row) { return std::ldexp(1.0f, static_cast<int>(row % 3) - 4); }

inline Matrix meta_shard(const std::string& name, const Matrix& whole, const LlamaConfig& c,
                         const MetaLayout& layout, int rank) {
  const int n = layout.num_shards;
  if (n == 1 || whole.rows == 1) return whole;
  const bool by_columns = name.ends_with(".wo.weight") || name.ends_with(".w2.weight") ||
                          (layout.llama2_embedding && name == "tok_embeddings.weight");
  if (by_columns) return part(whole, 0, whole.rows, whole.columns / n * rank, whole.columns / n);
  if ((name.ends_with(".wk.weight") || name.ends_with(".wv.weight")) && n > c.num_kv_heads)
    return part(whole, c.head_dim * (rank / (n / c.num_kv_heads)), c.head_dim, 0, whole.columns);
  return part(whole, whole.rows / n * rank, whole.rows / n, 0, whole.columns);
}

inline MetaFiles meta_files(const SyntheticModel& model, const MetaLayout& layout) {
  MetaFiles files;
  const LlamaConfig& c = model.config;
  for (int rank = 0; rank < layout.num_shards; ++rank) {
    std::vector<TorchEntry> entries, scales;
    for (const auto& [hf_name, m] : model.tensors) {
      const std::string name = meta_name(hf_name);
      Matrix whole = m;
      if (name.ends_with(".wq.weight")) whole = interleave(m, c.num_heads);
      if (name.ends_with(".wk.weight")) whole = interleave(m, c.num_kv_heads);
      Matrix shard = meta_shard(name, whole, c, layout, rank);
      const bool outer = name.starts_with("layers.0.") ||
                         name.starts_with(fmt::format("layers.{}.", c.num_layers - 1));
      const bool is_fp8 = layout.fp8 && name.find("feed_forward") != std::string::npos && !outer;
      if (is_fp8) {
        Matrix row_scales{1, shard.rows, {}};
        for (std::int64_t r = 0; r < shard.rows; ++r) {
          row_scales.values.push_back(fp8_scale(r));
          for (std::int64_t i = 0; i < shard.columns; ++i)
            shard.values[static_cast<std::size_t>(r * shard.columns + i)] /= fp8_scale(r);
        }
        std::string key = name.substr(7, name.size() - 14);  // "3.feed_forward.w1"
        key[key.find('.')] = '_';
        scales.push_back({fmt::format("{}_{}", key, rank), row_scales, DType::kF32});
      }
      entries.push_back({name, shard, is_fp8 ? DType::kF8E4M3 : DType::kBF16});
    }
    files.shards.push_back(torch_file(entries));
    if (layout.fp8) files.scales.push_back(torch_file(scales));
  }
  return files;
}

inline std::string meta_params(const LlamaConfig& c) {
  return fmt::format(R"({{"dim":{},"n_layers":{},"n_heads":{},"n_kv_heads":{},"vocab_size":{},
"norm_eps":1e-05,"rope_theta":500000.0,"use_scaled_rope":true}})",
                     c.model_dim, c.num_layers, c.num_heads, c.num_kv_heads, c.vocab_size);
}

// ---- llama2.c -----------------------------------------------------------------------------------

inline std::string llama2c(const SyntheticModel& model, int version) {
  const LlamaConfig& c = model.config;
  std::string out;
  if (version > 0) put<std::uint32_t>(&out, 0x616b3432), put<std::int32_t>(&out, version);
  const int vocab = version == 0 && !c.tied_output ? -c.vocab_size : c.vocab_size;
  const int context = 16;
  for (const int v :
       {c.model_dim, c.ffn_dim, c.num_layers, c.num_heads, c.num_kv_heads, vocab, context})
    put<std::int32_t>(&out, v);
  constexpr int kGroup = 16;  // of version 2: that many int8, in a row of the file, have a scale
  if (version > 0) put<std::uint8_t>(&out, c.tied_output);
  if (version == 2) put<std::int32_t>(&out, kGroup);
  if (version > 0) out.resize(256);
  const auto one = [&](const std::string& name, int heads = 0) {
    const Matrix& stored = model.tensors.at(name);
    const Matrix m = heads ? interleave(stored, heads) : stored;
    if (version < 2 || m.rows == 1) {
      out += encode(m, DType::kF32);
      return;
    }
    for (const float value : m.values)  // multiples of 1/8
      out += static_cast<char>(static_cast<std::int8_t>(value * 8));
    for (std::size_t i = 0; i < m.values.size(); i += kGroup) put<float>(&out, 0.125f);
  };
  const auto all = [&](const std::string& name, int heads = 0) {
    for (int i = 0; i < c.num_layers; ++i)
      one(fmt::format("model.layers.{}.{}.weight", i, name), heads);
  };
  const auto matrices = [&] {
    all("self_attn.q_proj", c.num_heads), all("self_attn.k_proj", c.num_kv_heads);
    all("self_attn.v_proj"), all("self_attn.o_proj");
  };
  const auto ffn = [&] { all("mlp.gate_proj"), all("mlp.down_proj"), all("mlp.up_proj"); };
  if (version == 0) {
    one("model.embed_tokens.weight"), all("input_layernorm"), matrices();
    all("post_attention_layernorm"), ffn(), one("model.norm.weight");
    out += std::string(static_cast<std::size_t>(context * c.head_dim) * sizeof(float), '\0');
  } else {
    all("input_layernorm"), all("post_attention_layernorm"), one("model.norm.weight");
    one("model.embed_tokens.weight"), matrices(), ffn();
  }
  if (!c.tied_output) one("lm_head.weight");
  return out;
}

}  // namespace pronk::testing
