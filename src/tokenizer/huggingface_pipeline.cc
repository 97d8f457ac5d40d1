#include "tokenizer/huggingface_pipeline.h"

#include <fmt/format.h>

#include "text/utf8.h"

namespace pronk {

namespace {

using Kind = SplitRule::Kind;
using Prefix = Normalizer::Prefix;

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // ▁

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Error unsupported(std::string_view what, std::string_view found, std::string_view built) {
  return error(Code::kUnsupported,
               fmt::format("{} '{}': built are {}", what, printable(found), built));
}

// A component's "type"; empty where it has none.
std::string_view type_of(const json::value& component) {
  const json::string* type = find_string(component, "type");
  return type ? std::string_view(*type) : std::string_view{};
}

std::string_view text_of(const json::value& component, std::string_view key) {
  const json::string* text = find_string(component, key);
  return text ? std::string_view(*text) : std::string_view{};
}

bool flag(const json::value& component, std::string_view key, bool otherwise) {
  const json::value* v = find(component, key);
  return v && v->is_bool() ? v->get_bool() : otherwise;
}

// {"String": " "} or {"Regex": "..."}
std::string_view pattern_of(const json::value& component, std::string_view kind) {
  const json::value* pattern = find(component, "pattern");
  return pattern ? text_of(*pattern, kind) : std::string_view{};
}

// Calls read(component) for the component, or for each of a Sequence's `members`; none for null.
template <class Read>
Status for_each_component(const json::value* component, std::string_view members,
                          const Read& read) {
  if (!component || component->is_null()) return Ok{};
  if (type_of(*component) != "Sequence") return read(*component);
  const json::array* list = find_array(*component, members);
  if (!list) return error(Code::kCorruptData, fmt::format("a Sequence without '{}'", members));
  for (const json::value& member : *list) PRONK_TRY(for_each_component(&member, members, read));
  return Ok{};
}

Status read_normalizer(const json::value& component, HuggingFacePipeline& out) {
  const std::string_view type = type_of(component);
  if (type == "Prepend" && text_of(component, "prepend") == kSpaceSymbol) {
    out.normalizer.space_prefix = Prefix::kAlways;
  } else if (type == "Replace" && pattern_of(component, "String") == " " &&
             text_of(component, "content") == kSpaceSymbol) {
    out.normalizer.spaces = true;
  } else {
    return unsupported("normalizer", type, "Prepend '▁' and Replace ' ' by '▁'");
  }
  return Ok{};
}

Status read_split(const json::value& component, HuggingFacePipeline& out) {
  const std::string_view regex = pattern_of(component, "Regex");
  const std::string_view behavior = text_of(component, "behavior");
  const bool invert = flag(component, "invert", false);
  // The long patterns match every character: what lies between matches is nothing.
  const bool whole = regex != R"(\p{N})";
  if (behavior != "Isolated" && !(whole && behavior == "Removed" && invert))
    return unsupported("pre_tokenizer Split with behavior", behavior, "Isolated");
  if (regex == kLlama3Pattern)
    out.split_rules.push_back({.kind = Kind::kLlama3});
  else if (regex == kQwen2Pattern)
    out.split_rules.push_back({.kind = Kind::kLlama3, .max_digits = 1});
  else if (regex == kGpt2Pattern)
    out.split_rules.push_back({.kind = Kind::kGpt2});
  else if (regex == R"(\p{N})")
    out.split_rules.push_back({.kind = Kind::kEachNumber});
  else
    return unsupported("pre_tokenizer Split with the pattern", regex,
                       "those of Llama 3, GPT-2 and Qwen 2");
  return Ok{};
}

Status read_metaspace(const json::value& component, HuggingFacePipeline& out) {
  if (text_of(component, "replacement") != kSpaceSymbol)
    return unsupported("Metaspace with the replacement", text_of(component, "replacement"), "▁");
  std::string_view prefix = text_of(component, "prepend_scheme");
  if (prefix.empty()) prefix = flag(component, "add_prefix_space", true) ? "always" : "never";
  if (prefix != "always" && prefix != "first" && prefix != "never")
    return unsupported("Metaspace with the prepend_scheme", prefix, "always, first and never");
  out.normalizes_between_added = true;
  out.normalizer.spaces = true;
  out.normalizer.prefix_unless_space = true;
  out.normalizer.space_prefix = prefix == "always"  ? Prefix::kAlways
                                : prefix == "first" ? Prefix::kFirst
                                                    : Prefix::kNever;
  if (flag(component, "split", true)) out.split_rules.push_back({.kind = Kind::kEachSpace});
  return Ok{};
}

Status read_pre_tokenizer(const json::value& component, HuggingFacePipeline& out) {
  const std::string_view type = type_of(component);
  if (type == "Split") return read_split(component, out);
  if (type == "Metaspace") return read_metaspace(component, out);
  if (type == "Digits") {
    const bool each = flag(component, "individual_digits", false);
    out.split_rules.push_back({.kind = each ? Kind::kEachNumeric : Kind::kNumericRuns});
  } else if (type == "ByteLevel") {
    out.byte_level = true;
    if (flag(component, "add_prefix_space", true)) {
      if (!out.split_rules.empty())
        return unsupported("pre_tokenizer ByteLevel with add_prefix_space", "after a split",
                           "add_prefix_space for ByteLevel alone");
      out.normalizes_between_added = true;
      out.normalizer.space_prefix = Prefix::kAlways;
      out.normalizer.prefix_unless_space = true;
    }
    if (flag(component, "use_regex", true)) out.split_rules.push_back({.kind = Kind::kGpt2});
  } else {
    return unsupported("pre_tokenizer", type, "Split, Digits, ByteLevel, Metaspace and Sequence");
  }
  return Ok{};
}

// TemplateProcessing: {"single": [{"SpecialToken": {"id": NAME}}, {"Sequence": ...}],
// "special_tokens": {NAME: {"ids": [ID]}}}
Status read_template(const json::value& component, HuggingFacePipeline& out) {
  const json::array* single = find_array(component, "single");
  if (!single || single->empty()) return Ok{};
  const json::value* first = find(single->front(), "SpecialToken");
  if (!first) return Ok{};
  const std::string_view name = text_of(*first, "id");
  const json::value* tokens = find(component, "special_tokens");
  const json::value* token = tokens ? find(*tokens, name) : nullptr;
  const json::array* ids = token ? find_array(*token, "ids") : nullptr;
  if (!ids || ids->empty() || !ids->front().is_int64())
    return error(Code::kCorruptData,
                 fmt::format("post_processor: special token '{}' has no ids", printable(name)));
  const std::int64_t id = ids->front().get_int64();
  if (id < 0 || id >= static_cast<std::int64_t>(kMaxTokens))
    return error(Code::kCorruptData, fmt::format("post_processor: special token '{}' has the id {}",
                                                 printable(name), id));
  out.bos = static_cast<TokenId>(id);
  return Ok{};
}

Status read_post_processor(const json::value& component, HuggingFacePipeline& out) {
  const std::string_view type = type_of(component);
  if (type == "ByteLevel") return Ok{};  // only moves offsets
  if (type == "TemplateProcessing") return read_template(component, out);
  return unsupported("post_processor", type, "TemplateProcessing, ByteLevel and Sequence");
}

// Token bytes are decoded when the vocabulary is read; of a decoder, only what it strips matters.
Status read_decoder(const json::value& component, HuggingFacePipeline& out) {
  const std::string_view type = type_of(component);
  if (type == "ByteLevel" || type == "ByteFallback" || type == "Fuse") return Ok{};
  if (type == "Metaspace") {
    out.strips_first_space = out.normalizer.space_prefix != Prefix::kNever;
    return Ok{};
  }
  if (type == "Replace" && pattern_of(component, "String") == kSpaceSymbol &&
      text_of(component, "content") == " ")
    return Ok{};
  if (type == "Strip" && text_of(component, "content") == " ") {
    const json::value* start = find(component, "start");
    const json::value* stop = find(component, "stop");
    if (start && start->is_int64() && start->get_int64() <= 1 && stop && stop->is_int64() &&
        stop->get_int64() == 0) {
      out.strips_first_space |= start->get_int64() == 1;
      return Ok{};
    }
  }
  return unsupported("decoder", type,
                     "ByteLevel, ByteFallback, Fuse, Metaspace, Replace '▁' by ' ' and Strip of "
                     "one space");
}

}  // namespace

Result<HuggingFacePipeline> read_huggingface_pipeline(const json::value& file) {
  HuggingFacePipeline out;
  const auto each = [&](std::string_view component, std::string_view members, auto read) {
    return for_each_component(find(file, component), members,
                              [&](const json::value& c) { return read(c, out); });
  };
  PRONK_TRY(each("normalizer", "normalizers", read_normalizer));
  PRONK_TRY(each("pre_tokenizer", "pretokenizers", read_pre_tokenizer));
  PRONK_TRY(each("post_processor", "processors", read_post_processor));
  PRONK_TRY(each("decoder", "decoders", read_decoder));
  if (!out.byte_level && !out.normalizer.spaces)
    return unsupported("pre_tokenizer", "without ByteLevel or Metaspace",
                       "byte-level vocabularies, and those that write '▁' for a space");
  return out;
}

}  // namespace pronk
