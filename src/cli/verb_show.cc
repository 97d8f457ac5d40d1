// pronk show MODEL: what a model's files say.
#include <fmt/format.h>

#include "cli/io.h"
#include "cli/models.h"
#include "cli/progress.h"
#include "cli/prompts.h"
#include "cli/verbs.h"
#include "formats/model_source.h"
#include "text/json.h"

namespace pronk::cli {
namespace {

struct TypeUse {
  int num_tensors = 0;
  std::int64_t num_values = 0, bytes = 0;
};

std::int64_t num_parameters(const ModelSource& source) {
  std::int64_t n = 0;
  for (const auto& [name, tensor] : source.tensors) n += tensor.rows * tensor.columns;
  return n;
}

std::map<std::string, TypeUse> types_in_use(const ModelSource& source) {
  std::map<std::string, TypeUse> types;
  for (const auto& [name, tensor] : source.tensors) {
    TypeUse& use = types[info(tensor.dtype).name];
    ++use.num_tensors;
    use.num_values += tensor.rows * tensor.columns;
    use.bytes += tensor.size_bytes();
  }
  return types;
}

// "134.5M", "8.03B"
std::string format_count(std::int64_t n) {
  const auto x = static_cast<double>(n);
  if (n >= 1'000'000'000) return fmt::format("{:.2f}B", x / 1e9);
  if (n >= 1'000'000) return fmt::format("{:.1f}M", x / 1e6);
  if (n >= 1'000) return fmt::format("{:.1f}k", x / 1e3);
  return fmt::format("{}", n);
}

std::string format_scaling(const RopeConfig& rope) {
  if (!rope.divisors.empty()) return ", scaled by rope_freqs";
  const RopeScaling& s = rope.scaling;
  switch (s.kind) {
    case RopeScaling::Kind::kNone:
      return "";
    case RopeScaling::Kind::kLinear:
      return fmt::format(", linear scaling {}", s.factor);
    case RopeScaling::Kind::kLlama3:
      return fmt::format(", llama3 scaling {} (low {}, high {}, original context {})", s.factor,
                         s.low_freq_factor, s.high_freq_factor, s.original_context);
  }
  return "";
}

json::object scaling_json(const RopeConfig& rope) {
  constexpr const char* kKinds[] = {"none", "linear", "llama3"};
  const RopeScaling& s = rope.scaling;
  return {{"kind", rope.divisors.empty() ? kKinds[static_cast<int>(s.kind)] : "divisors"},
          {"factor", s.factor},
          {"low_freq_factor", s.low_freq_factor},
          {"high_freq_factor", s.high_freq_factor},
          {"original_context", s.original_context}};
}

json::object config_json(const LlamaConfig& c) {
  return {{"num_layers", c.num_layers},     {"model_dim", c.model_dim},
          {"ffn_dim", c.ffn_dim},           {"num_heads", c.num_heads},
          {"num_kv_heads", c.num_kv_heads}, {"head_dim", c.head_dim},
          {"vocab_size", c.vocab_size},     {"max_context", c.max_context},
          {"norm_eps", c.norm_eps},         {"tied_output", c.tied_output},
          {"rope_theta", c.rope.theta},     {"rope_scaling", scaling_json(c.rope)}};
}

json::array to_json(std::span<const TokenId> ids) { return json::array(ids.begin(), ids.end()); }

json::value tokenizer_json(const ModelSource& source) {
  if (source.tokenizer.kind == TokenizerSource::Kind::kNone) return nullptr;
  const Result<Tokenizer> tokenizer = Tokenizer::from_source(source.tokenizer);
  if (!tokenizer) return json::object{{"error", tokenizer.error().message}};
  json::object object = {{"kind", std::string(tokenizer->kind())},
                         {"vocab_size", tokenizer->vocab_size()},
                         {"adds_bos", tokenizer->adds_bos()},
                         {"end_tokens", to_json(tokenizer->end_tokens())}};
  object["bos"] = tokenizer->bos() ? json::value(*tokenizer->bos()) : json::value(nullptr);
  object["eos"] = tokenizer->eos() ? json::value(*tokenizer->eos()) : json::value(nullptr);
  return object;
}

json::object generation_json(const GenerationDefaults& g) {
  json::object object;
  if (g.temperature) object["temperature"] = *g.temperature;
  if (g.top_p) object["top_p"] = *g.top_p;
  if (g.top_k) object["top_k"] = *g.top_k;
  if (g.min_p) object["min_p"] = *g.min_p;
  if (g.repetition_penalty) object["repetition_penalty"] = *g.repetition_penalty;
  if (g.do_sample) object["do_sample"] = *g.do_sample;
  return object;
}

json::object types_json(const ModelSource& source) {
  json::object object;
  for (const auto& [type, use] : types_in_use(source))
    object[type] = {{"tensors", use.num_tensors}, {"values", use.num_values}, {"bytes", use.bytes}};
  return object;
}

json::array tensors_json(const ModelSource& source) {
  json::array array;
  for (const auto& [name, tensor] : source.tensors)
    array.push_back({{"name", name},
                     {"type", info(tensor.dtype).name},
                     {"shape", {tensor.rows, tensor.columns}}});
  return array;
}

// What the files say, else what the store kept when it fetched the model.
std::string licence_of(const ModelSource& source, const std::string& name) {
  if (!source.licence.empty()) return source.licence;
  const Result<hub::StoredModel> stored = hub::show(name);
  return stored ? stored->licence : "";
}

json::object source_json(const ModelSource& source, const std::string& licence, bool tensors) {
  json::object templates;
  for (const ChatTemplateSource& t : source.chat_templates) templates[t.name] = t.text;
  json::object object = {{"name", source.config.name},
                         {"path", source.path.string()},
                         {"format", source.format},
                         {"parameters", num_parameters(source)},
                         {"weight_bytes", source.weight_bytes()},
                         {"config", config_json(source.config)},
                         {"tensor_types", types_json(source)},
                         {"tokenizer", tokenizer_json(source)},
                         {"generation", generation_json(source.generation)},
                         {"chat_templates", templates},
                         {"licence", licence},
                         {"notes", json::array(source.notes.begin(), source.notes.end())}};
  if (tensors) object["tensors"] = tensors_json(source);
  return object;
}

std::string tokenizer_line(const ModelSource& source) {
  if (source.tokenizer.kind == TokenizerSource::Kind::kNone) return "none";
  const Result<Tokenizer> tokenizer = Tokenizer::from_source(source.tokenizer);
  if (!tokenizer) return "unusable: " + tokenizer.error().message;
  std::vector<std::string> ends;
  for (const TokenId id : tokenizer->end_tokens())
    ends.push_back(fmt::format("{} {}", id, escape_bytes(tokenizer->piece(id))));
  return fmt::format(
      "{}, {} tokens, {}; a reply ends at {}", tokenizer->kind(), tokenizer->vocab_size(),
      tokenizer->adds_bos() ? "a text begins with BOS" : "no BOS", fmt::join(ends, ", "));
}

std::string summary(const ModelSource& source, const std::string& licence) {
  const LlamaConfig& c = source.config;
  std::vector<std::vector<std::string>> rows = {
      {"name", c.name.empty() ? "(none)" : c.name},
      {"path", source.path.string()},
      {"format", source.format},
      {"parameters", format_count(num_parameters(source))},
      {"weights", format_bytes(source.weight_bytes())},
      {"context", fmt::format("{} tokens", c.max_context)},
      {"layers",
       fmt::format("{}, width {}, feed-forward {}", c.num_layers, c.model_dim, c.ffn_dim)},
      {"heads",
       fmt::format("{} query, {} key/value, width {}", c.num_heads, c.num_kv_heads, c.head_dim)},
      {"vocabulary", fmt::format("{}, output {}", c.vocab_size, c.tied_output ? "tied" : "untied")},
      {"rope", fmt::format("theta {}{}", c.rope.theta, format_scaling(c.rope))}};
  for (const auto& [type, use] : types_in_use(source))
    rows.push_back(
        {"type " + type, fmt::format("{} tensors, {}", use.num_tensors, format_bytes(use.bytes))});
  rows.push_back({"tokenizer", tokenizer_line(source)});
  std::vector<std::string> templates;
  for (const ChatTemplateSource& t : source.chat_templates)
    templates.push_back(fmt::format("{} ({} bytes)", t.name, t.text.size()));
  rows.push_back(
      {"template", templates.empty() ? "none" : fmt::format("{}", fmt::join(templates, ", "))});
  rows.push_back({"licence", licence.empty() ? "not said" : licence.substr(0, licence.find('\n'))});
  for (const std::string& note : source.notes) rows.push_back({"note", note});
  return format_table(rows);
}

Status show_part(Context& context, const ModelSource& source, const std::string& licence) {
  Console& console = context.console;
  if (context.options.flag("template")) {
    const std::string* text = default_template(source);
    if (!text) return error(Code::kNotFound, "show: the model has no chat template");
    console.print(*text);
  }
  if (context.options.flag("license")) {
    if (licence.empty()) return error(Code::kNotFound, "show: the files name no licence");
    console.print(licence + "\n");
  }
  return Ok{};
}

Status run(Context& context) {
  const Options& options = context.options;
  const std::string name = options.argument(0);
  const std::filesystem::path path = PRONK_TRY(find_model(context.console, name));
  const std::shared_ptr<const ModelSource> source = PRONK_TRY(read_model(path));
  const std::string licence = licence_of(*source, name);
  if (options.flag("template") || options.flag("license"))
    return show_part(context, *source, licence);
  if (options.flag("json")) {
    context.console.print_json(source_json(*source, licence, options.flag("tensors")));
    return Ok{};
  }
  context.console.print(summary(*source, licence));
  if (!options.flag("tensors")) return Ok{};
  std::vector<std::vector<std::string>> rows = {{"TENSOR", "TYPE", "SHAPE"}};
  for (const auto& [tensor_name, tensor] : source->tensors)
    rows.push_back({tensor_name, info(tensor.dtype).name,
                    fmt::format("[{}, {}]", tensor.rows, tensor.columns)});
  context.console.print(fmt::format("\n{}", format_table(rows)));
  return Ok{};
}

}  // namespace

const Verb kShowVerb = {
    .name = "show",
    .alias = {},
    .group = "Models",
    .summary = "say what a model is: shape, types, tokenizer, licence",
    .arguments = {{"MODEL", ArgumentKind::kModel}},
    .groups = {{"Output",
                {{.name = "json", .help = "as a JSON object"},
                 {.name = "tensors", .help = "every tensor with its type and shape"},
                 {.name = "template", .help = "the chat template alone"},
                 {.name = "license", .help = "the licence alone"}}}},
    .notes = {},
    .run = run,
};

}  // namespace pronk::cli
