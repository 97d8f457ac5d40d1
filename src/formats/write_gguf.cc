// A ModelSource as a GGUF v3 file.
#include <fmt/format.h>

#include <cstring>

#include "formats/gguf_writer.h"
#include "formats/model_writer.h"
#include "formats/rope_scaling.h"
#include "formats/row_writer.h"
#include "formats/tensor_names.h"
#include "formats/tokenizer_convert.h"

namespace pronk {
namespace {

void add_config(const ModelSource& source, GgufWriter* out) {
  const LlamaConfig& c = source.config;
  const auto number = [&](const char* key, int value) {
    out->add(key, static_cast<std::uint32_t>(value));
  };
  out->add("general.architecture", std::string_view("llama"));
  out->add("general.name", std::string_view(c.name));
  if (!source.licence.empty()) out->add("general.license", std::string_view(source.licence));
  out->add("general.quantization_version", std::uint32_t{2});
  number("llama.block_count", c.num_layers);
  number("llama.context_length", c.max_context);
  number("llama.embedding_length", c.model_dim);
  number("llama.feed_forward_length", c.ffn_dim);
  number("llama.attention.head_count", c.num_heads);
  number("llama.attention.head_count_kv", c.num_kv_heads);
  number("llama.attention.key_length", c.head_dim);
  number("llama.attention.value_length", c.head_dim);
  number("llama.rope.dimension_count", c.head_dim);
  number("llama.vocab_size", c.vocab_size);
  out->add("llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.norm_eps));
  out->add("llama.rope.freq_base", static_cast<float>(c.rope.theta));
  if (c.rope.scaling.kind == RopeScaling::Kind::kLinear) {
    out->add("llama.rope.scaling.type", std::string_view("linear"));
    out->add("llama.rope.scaling.factor", static_cast<float>(c.rope.scaling.factor));
  }
}

void add_descriptions(const std::vector<Description>& descriptions, GgufWriter* out) {
  for (const Description& d : descriptions) {
    if (const auto* text = std::get_if<std::string>(&d.value))
      out->add(d.key, std::string_view(*text));
    else if (const auto* texts = std::get_if<std::vector<std::string>>(&d.value))
      out->add(d.key, std::span<const std::string>(*texts));
    else
      out->add(d.key, std::get<std::uint32_t>(d.value));
  }
}

void add_generation(const GenerationDefaults& g, GgufWriter* out) {
  const auto real = [&](const char* key, const std::optional<double>& value) {
    if (value) out->add(key, static_cast<float>(*value));
  };
  real("general.sampling.temp", g.temperature);
  real("general.sampling.top_p", g.top_p);
  real("general.sampling.min_p", g.min_p);
  real("general.sampling.penalty_repeat", g.repetition_penalty);
  if (g.top_k) out->add("general.sampling.top_k", static_cast<std::uint32_t>(*g.top_k));
}

// A tokenizer.json of SentencePiece's kind goes by the tokenizer.model beside it.
Result<TokenizerSource> convertible_tokenizer(const ModelSource& source) {
  auto converted = to_gguf_tokenizer(source.tokenizer, source.config.vocab_size);
  if (converted || source.tokenizer.kind != TokenizerSource::Kind::kHuggingFaceJson)
    return converted;
  auto bytes = read_file(source.path / "tokenizer.model");
  if (!bytes) return converted;
  TokenizerSource beside = source.tokenizer;
  beside.kind = TokenizerSource::Kind::kSentencePiece;
  beside.bytes = *std::move(bytes);
  return to_gguf_tokenizer(beside, source.config.vocab_size);
}

void add_tokenizer(const TokenizerSource& t, GgufWriter* out) {
  if (t.kind == TokenizerSource::Kind::kNone) {
    out->add("tokenizer.ggml.model", std::string_view("none"));
    return;
  }
  out->add("tokenizer.ggml.model", std::string_view(t.gguf_model));
  if (!t.gguf_pre.empty()) out->add("tokenizer.ggml.pre", std::string_view(t.gguf_pre));
  out->add("tokenizer.ggml.tokens", std::span(t.tokens));
  if (!t.scores.empty()) out->add("tokenizer.ggml.scores", std::span(t.scores));
  if (!t.token_types.empty()) out->add("tokenizer.ggml.token_type", std::span(t.token_types));
  if (!t.merges.empty()) out->add("tokenizer.ggml.merges", std::span(t.merges));
  const auto id = [&](const char* key, const std::optional<TokenId>& value) {
    if (value) out->add(key, static_cast<std::uint32_t>(*value));
  };
  id("tokenizer.ggml.bos_token_id", t.bos);
  id("tokenizer.ggml.eos_token_id", t.eos);
  id("tokenizer.ggml.eot_token_id", t.eot);
  id("tokenizer.ggml.eom_token_id", t.eom);
  id("tokenizer.ggml.unknown_token_id", t.unknown);
  id("tokenizer.ggml.padding_token_id", t.padding);
  const auto flag = [&](const char* key, const std::optional<bool>& value) {
    if (value) out->add_bool(key, *value);
  };
  flag("tokenizer.ggml.add_bos_token", t.add_bos);
  flag("tokenizer.ggml.add_eos_token", t.add_eos);
  flag("tokenizer.ggml.add_space_prefix", t.add_space_prefix);
  flag("tokenizer.ggml.remove_extra_whitespaces", t.remove_extra_whitespaces);
}

void add_templates(const std::vector<ChatTemplateSource>& templates, GgufWriter* out) {
  std::vector<std::string> names;
  for (const ChatTemplateSource& t : templates) {
    if (t.name == "default") {
      out->add("tokenizer.chat_template", std::string_view(t.text));
    } else {
      out->add("tokenizer.chat_template." + t.name, std::string_view(t.text));
      names.push_back(t.name);
    }
  }
  if (!names.empty()) out->add("tokenizer.chat_templates", std::span<const std::string>(names));
}

Status pad(AtomicFile* file) {
  constexpr std::byte kZeros[GgufWriter::kAlignment] = {};
  return file->write(std::span(kZeros).first(GgufWriter::padding(file->size())));
}

int rotated_heads(const std::string& name, const LlamaConfig& config) {
  if (name.ends_with("self_attn.q_proj.weight")) return config.num_heads;
  if (name.ends_with("self_attn.k_proj.weight")) return config.num_kv_heads;
  return 0;
}

}  // namespace

Status write_gguf(const ModelSource& source, const WritePlan& plan,
                  const std::filesystem::path& path) {
  PRONK_TRY(check_absent(path));
  const LlamaConfig& config = source.config;
  GgufWriter head;
  add_config(source, &head);
  add_descriptions(source.descriptions, &head);
  add_generation(source.generation, &head);
  add_tokenizer(PRONK_TRY(convertible_tokenizer(source)), &head);
  add_templates(source.chat_templates, &head);
  const std::vector<float> divisors = config.rope.divisors.empty()
                                          ? llama3_divisors(config.rope, config.head_dim)
                                          : config.rope.divisors;
  if (!divisors.empty()) head.add_tensor("rope_freqs.weight", DType::kF32, 1, std::ssize(divisors));
  for (const OutputTensor& output : plan.tensors)
    head.add_tensor(name_to_gguf(output.tensor->name), output.dtype, output.tensor->rows,
                    output.tensor->columns);

  AtomicFile file = PRONK_TRY(AtomicFile::create(path));
  PRONK_TRY(file.write(head.head()));
  PRONK_TRY(file.write(std::as_bytes(std::span(divisors))));
  PRONK_TRY(pad(&file));
  RowWriter rows(plan);
  for (const OutputTensor& output : plan.tensors) {
    PRONK_TRY(rows.write(output, rotated_heads(output.tensor->name, config), &file));
    PRONK_TRY(pad(&file));
  }
  PRONK_TRY(source.check_intact());
  return file.commit();
}

}  // namespace pronk
