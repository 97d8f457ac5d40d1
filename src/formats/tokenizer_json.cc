#include "formats/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "formats/hf_config.h"
#include "formats/token_type.h"
#include "text/json.h"

namespace pronk {
namespace {

constexpr std::int32_t kNormal = number_of(TokenType::kNormal);
constexpr std::int32_t kControl = number_of(TokenType::kControl);
constexpr std::int32_t kUserDefined = number_of(TokenType::kUserDefined);
constexpr std::int32_t kUnused = number_of(TokenType::kUnused);

Error corrupt(std::string what) {
  return error(Code::kCorruptData, "tokenizer.json: " + std::move(what));
}
Error unsupported(std::string what) {
  return error(Code::kUnsupported, "tokenizer.json: " + std::move(what));
}

// How text is split before merging: GGUF names the rule, tokenizer.json spells it out.
struct SplitRule {
  std::string_view gguf_pre;
  std::string_view pre_tokenizer;  // as tokenizer.json writes it
  bool ignore_merges;
  bool adds_bos;  // where the file does not say
};

constexpr std::string_view kLlama3Split =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
constexpr std::string_view kSmollmSplit =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";
constexpr std::string_view kGpt2Split =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

constexpr SplitRule kRules[] = {{"llama-bpe", kLlama3Split, true, true},
                                {"llama3", kLlama3Split, true, true},
                                {"llama-v3", kLlama3Split, true, true},
                                {"smollm", kSmollmSplit, false, false},
                                {"gpt-2", kGpt2Split, false, false}};

std::string_view text_of(const json::value* value) {
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

// What of a pre-tokenizer decides about splits, as one comparable line.
std::string signature(const json::value& pre_tokenizer) {
  const std::string_view type = text_of(find(pre_tokenizer, "type"));
  if (type == "Sequence") {
    std::string all;
    if (const json::array* parts = find_array(pre_tokenizer, "pretokenizers"))
      for (const json::value& part : *parts) all += signature(part) + "; ";
    return all;
  }
  if (type == "Split") {
    const json::value* pattern = find(pre_tokenizer, "pattern");
    return fmt::format("Split {} {} {}", text_of(pattern ? find(*pattern, "Regex") : nullptr),
                       text_of(find(pre_tokenizer, "behavior")),
                       find_bool(pre_tokenizer, "invert").value_or(false));
  }
  if (type == "ByteLevel")
    return fmt::format("ByteLevel {} {}",
                       find_bool(pre_tokenizer, "add_prefix_space").value_or(true),
                       find_bool(pre_tokenizer, "use_regex").value_or(true));
  if (type == "Digits")
    return fmt::format("Digits {}", find_bool(pre_tokenizer, "individual_digits").value_or(false));
  return std::string(type);
}

Result<const SplitRule*> rule_of_json(const json::value& tokenizer) {
  const json::value* pre = find(tokenizer, "pre_tokenizer");
  const std::string wanted = pre ? signature(*pre) : "none";
  for (const SplitRule& rule : kRules)
    if (signature(PRONK_TRY(parse_json(rule.pre_tokenizer))) == wanted) return &rule;
  return unsupported(fmt::format("GGUF has no name for its split rule ({})", wanted));
}

Result<const SplitRule*> rule_of_gguf(std::string_view pre) {
  for (const SplitRule& rule : kRules)
    if (rule.gguf_pre == pre) return &rule;
  return unsupported(
      fmt::format("the split rule '{}' is not known; llama-bpe, smollm and gpt-2 are", pre));
}

// Whether the post-processor puts a special token in front.
bool adds_bos(const json::value& processor) {
  if (const json::array* parts = find_array(processor, "processors"))
    return std::any_of(parts->begin(), parts->end(), adds_bos);
  const json::array* single = find_array(processor, "single");
  return single && !single->empty() && find(single->front(), "SpecialToken");
}

Status set_token(TokenizerSource* t, std::int64_t id, std::string_view text, std::int32_t type) {
  if (id < 0 || id >= std::int64_t{kMaxTokens})
    return corrupt(fmt::format("token '{}' has the id {}", text, id));
  const auto at = static_cast<std::size_t>(id);
  if (at >= t->tokens.size()) {
    t->tokens.resize(at + 1);
    t->token_types.resize(at + 1, kUnused);
  }
  t->tokens[at] = text;
  t->token_types[at] = type;
  return Ok{};
}

// "a b" or, since tokenizers 0.20, ["a", "b"].
Result<std::vector<std::string>> read_merges(const json::value& model) {
  std::vector<std::string> merges;
  const json::array* list = find_array(model, "merges");
  if (!list) return corrupt("'model' has no 'merges'");
  for (const json::value& merge : *list) {
    const json::array* pair = merge.if_array();
    if (pair && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string())
      merges.push_back(fmt::format("{} {}", text_of(&(*pair)[0]), text_of(&(*pair)[1])));
    else if (merge.is_string())
      merges.emplace_back(text_of(&merge));
    else
      return corrupt("a merge is no pair");
  }
  return merges;
}

json::object added_token(std::int64_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

json::value byte_level() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", true},
          {"trim_offsets", false},
          {"use_regex", true}};
}

// BOS in front of every text, where the tokenizer does so.
json::value post_processor(const TokenizerSource& t, bool add_bos) {
  if (!add_bos || !t.bos) return byte_level();
  const std::string& bos = t.tokens[static_cast<std::size_t>(*t.bos)];
  const auto special = [&](int type_id) {
    return json::value{{"SpecialToken", {{"id", bos}, {"type_id", type_id}}}};
  };
  const auto sequence = [](const char* id, int type_id) {
    return json::value{{"Sequence", {{"id", id}, {"type_id", type_id}}}};
  };
  json::object processor;
  processor["type"] = "TemplateProcessing";
  processor["single"] = json::array{special(0), sequence("A", 0)};
  processor["pair"] = json::array{special(0), sequence("A", 0), special(1), sequence("B", 1)};
  json::object description{{"id", bos}, {"ids", json::array{*t.bos}}, {"tokens", json::array{bos}}};
  processor["special_tokens"] = json::object{{bos, description}};
  return {{"type", "Sequence"}, {"processors", json::array{byte_level(), processor}}};
}

}  // namespace

Result<TokenizerSource> tokenizer_from_json(std::string_view text) {
  const json::value whole = PRONK_TRY_IN("tokenizer.json", parse_json(text));
  const json::value* model = find(whole, "model");
  const json::object* vocabulary = model ? find_object(*model, "vocab") : nullptr;
  if (!vocabulary) return unsupported("it is no BPE tokenizer with a vocabulary");
  if (find_bool(*model, "byte_fallback").value_or(false))
    return unsupported("it is SentencePiece's kind; put its tokenizer.model beside it");
  TokenizerSource t;
  t.kind = TokenizerSource::Kind::kGguf;
  t.gguf_model = "gpt2";
  const SplitRule* rule = PRONK_TRY(rule_of_json(whole));
  t.gguf_pre = rule->gguf_pre;
  for (const auto& [token, id] : *vocabulary) {
    const std::int64_t* number = id.if_int64();
    if (!number) return corrupt(fmt::format("token '{}' has no id", std::string_view(token)));
    PRONK_TRY(set_token(&t, *number, token, kNormal));
  }
  if (const json::array* added = find_array(whole, "added_tokens"))
    for (const json::value& token : *added) {
      const bool special = find_bool(token, "special").value_or(false);
      PRONK_TRY(set_token(&t, find_integer(token, "id").value_or(-1),
                          text_of(find(token, "content")), special ? kControl : kUserDefined));
    }
  t.merges = PRONK_TRY(read_merges(*model));
  const json::value* processor = find(whole, "post_processor");
  t.add_bos = processor && adds_bos(*processor);
  return t;
}

Result<std::string> tokenizer_to_json(const TokenizerSource& t) {
  const SplitRule* rule = PRONK_TRY(rule_of_gguf(t.gguf_pre));
  const auto type_of = [&](std::size_t i) {
    return t.token_types.empty() ? kNormal : t.token_types[i];
  };
  const auto is_added = [&](std::size_t i) {
    return type_of(i) == kControl || type_of(i) == kUserDefined;
  };
  std::size_t end = t.tokens.size();
  while (end > 0 && type_of(end - 1) == kUnused) --end;
  std::size_t vocabulary_end = end;  // added tokens at the end stand in "added_tokens" alone
  while (vocabulary_end > 0 && is_added(vocabulary_end - 1)) --vocabulary_end;

  json::object vocabulary;
  json::array added;
  for (std::size_t i = 0; i < end; ++i) {
    if (i < vocabulary_end && !vocabulary.emplace(t.tokens[i], i).second)
      return corrupt(
          fmt::format("two tokens are '{}'; a tokenizer.json cannot hold both", t.tokens[i]));
    if (is_added(i))
      added.push_back(
          added_token(static_cast<std::int64_t>(i), t.tokens[i], type_of(i) == kControl));
  }
  json::array merges;
  for (const std::string& merge : t.merges) merges.emplace_back(merge);

  json::object model{{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"continuing_subword_prefix", nullptr},
                     {"end_of_word_suffix", nullptr},
                     {"fuse_unk", false},
                     {"byte_fallback", false},
                     {"ignore_merges", rule->ignore_merges}};
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(merges);
  json::object whole{{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  whole["added_tokens"] = std::move(added);
  whole["normalizer"] = nullptr;
  whole["pre_tokenizer"] = PRONK_TRY(parse_json(rule->pre_tokenizer));
  whole["post_processor"] = post_processor(t, t.add_bos.value_or(rule->adds_bos));
  whole["decoder"] = byte_level();
  whole["model"] = std::move(model);
  return json::serialize(whole);
}

}  // namespace pronk
