#include "formats/tokenizer_convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "formats/llama2c_tokenizer.h"
#include "formats/sentencepiece_file.h"
#include "formats/tiktoken_file.h"
#include "formats/tokenizer_json.h"
#include "text/byte_level.h"
#include "text/json.h"

namespace pronk {
namespace {

using Kind = TokenizerSource::Kind;
constexpr std::int32_t kNormal = number_of(TokenType::kNormal);
constexpr std::int32_t kUnused = number_of(TokenType::kUnused);

// ---- every kind to GGUF's -----------------------------------------------------------------------

// Each token's splits into two others, by the ranks of their halves; in the order of the tokens.
std::vector<std::string> merges_of(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, std::size_t> ranks;
  for (std::size_t rank = 0; rank < tokens.size(); ++rank) ranks.emplace(tokens[rank], rank);
  std::vector<std::string> merges;
  for (const std::string_view token : tokens) {
    std::vector<std::pair<std::size_t, std::size_t>> splits;
    for (std::size_t i = 1; i < token.size(); ++i) {
      const auto left = ranks.find(token.substr(0, i)), right = ranks.find(token.substr(i));
      if (left != ranks.end() && right != ranks.end())
        splits.emplace_back(left->second, right->second);
    }
    std::sort(splits.begin(), splits.end());
    for (const auto& [left, right] : splits)
      merges.push_back(byte_level_of_bytes(tokens[left]) + " " +
                       byte_level_of_bytes(tokens[right]));
  }
  return merges;
}

Status fill_from_tiktoken(TokenizerSource* t, std::string_view bytes) {
  const std::vector<std::string> tokens = PRONK_TRY(parse_tiktoken(bytes));
  t->gguf_model = "gpt2";
  t->gguf_pre = "llama-bpe";
  for (const std::string& token : tokens) {
    t->tokens.push_back(byte_level_of_bytes(token));
    t->token_types.push_back(kNormal);
  }
  const auto first_special = static_cast<TokenId>(t->tokens.size());
  for (std::string& special : llama3_special_tokens()) {
    t->tokens.push_back(std::move(special));
    t->token_types.push_back(number_of(TokenType::kControl));
  }
  t->merges = merges_of(tokens);
  if (!t->bos) t->bos = first_special;
  if (!t->eos) t->eos = first_special + 1;
  t->add_bos = t->add_bos.value_or(true);
  return Ok{};
}

void fill_from_pieces(TokenizerSource* t, const std::vector<SentencePieceFile::Piece>& pieces) {
  t->gguf_model = "llama";
  t->gguf_pre = "default";
  for (const SentencePieceFile::Piece& piece : pieces) {
    t->tokens.push_back(piece.text);
    t->scores.push_back(piece.score);
    t->token_types.push_back(number_of(piece.type));
  }
}

Status fill_from_sentencepiece(TokenizerSource* t, std::string_view bytes) {
  const SentencePieceFile file = PRONK_TRY_IN("tokenizer.model", parse_sentencepiece(bytes));
  if (file.model_type != SentencePieceFile::kBpe)
    return error(Code::kUnsupported,
                 "tokenizer.model: a unigram model; GGUF's 'llama' tokenizers are BPE");
  if (!file.character_map.empty() || file.whitespace_as_suffix)
    return error(Code::kUnsupported,
                 "tokenizer.model: it changes characters before it splits them (a character map "
                 "or spaces as suffixes), which GGUF's 'llama' tokenizers do not");
  fill_from_pieces(t, file.pieces);
  const auto set = [](std::optional<TokenId>* id, std::int32_t value) {
    if (!*id && value >= 0) *id = value;
  };
  set(&t->unknown, file.unknown);
  set(&t->bos, file.bos);
  set(&t->eos, file.eos);
  set(&t->padding, file.padding);
  t->add_bos = t->add_bos.value_or(true);
  t->add_eos = t->add_eos.value_or(false);
  t->add_space_prefix = file.add_dummy_prefix;
  t->remove_extra_whitespaces = file.remove_extra_whitespaces;
  return Ok{};
}

Status fill_from_llama2c(TokenizerSource* t, std::string_view bytes) {
  fill_from_pieces(t, PRONK_TRY(parse_llama2c_tokens(bytes)));
  t->add_space_prefix = true;
  t->remove_extra_whitespaces = false;
  return Ok{};
}

void name_ends(TokenizerSource* t) {
  const auto find_token = [&](std::string_view name) -> std::optional<TokenId> {
    const auto found = std::find(t->tokens.begin(), t->tokens.end(), name);
    if (found == t->tokens.end()) return std::nullopt;
    return static_cast<TokenId>(found - t->tokens.begin());
  };
  if (!t->eot) t->eot = find_token("<|eot_id|>");
  if (!t->eom) t->eom = find_token("<|eom_id|>");
}

// ---- GGUF's to Hugging Face's -------------------------------------------------------------------

Result<std::string> to_sentencepiece(const TokenizerSource& t) {
  SentencePieceFile file;
  file.model_type = SentencePieceFile::kBpe;
  file.byte_fallback = true;
  for (std::size_t i = 0; i < t.tokens.size(); ++i) {
    const TokenType type = PRONK_TRY(t.type_of(i));
    file.pieces.push_back({t.tokens[i], i < t.scores.size() ? t.scores[i] : 0.0f, type});
  }
  file.unknown = t.unknown.value_or(0);
  file.bos = t.bos.value_or(1);
  file.eos = t.eos.value_or(2);
  file.padding = t.padding.value_or(-1);
  file.add_dummy_prefix = t.add_space_prefix.value_or(true);
  file.remove_extra_whitespaces = t.remove_extra_whitespaces.value_or(false);
  return write_sentencepiece(file);
}

json::value templates_to_json(const std::vector<ChatTemplateSource>& templates) {
  if (templates.size() == 1 && templates[0].name == "default")
    return json::value(templates[0].text);
  json::array list;
  for (const ChatTemplateSource& t : templates)
    list.push_back({{"name", t.name}, {"template", t.text}});
  return list;
}

std::string tokenizer_config(const ModelSource& source, const TokenizerSource& t,
                             bool is_sentencepiece) {
  json::object config;
  config["tokenizer_class"] = is_sentencepiece ? "LlamaTokenizer" : "PreTrainedTokenizerFast";
  if (is_sentencepiece) config["legacy"] = false;
  const auto name = [&](const char* key, const std::optional<TokenId>& id) {
    if (id && *id >= 0 && *id < std::ssize(t.tokens))
      config[key] = t.tokens[static_cast<std::size_t>(*id)];
  };
  name("bos_token", t.bos);
  name("eos_token", t.eos);
  name("pad_token", t.padding);
  if (is_sentencepiece) name("unk_token", t.unknown);
  if (t.add_bos) config["add_bos_token"] = *t.add_bos;
  if (t.add_eos) config["add_eos_token"] = *t.add_eos;
  config["clean_up_tokenization_spaces"] = false;
  config["model_max_length"] = source.config.max_context;
  if (!source.chat_templates.empty())
    config["chat_template"] = templates_to_json(source.chat_templates);
  return json::serialize(config);
}

}  // namespace

Result<TokenizerSource> to_gguf_tokenizer(const TokenizerSource& source, int vocab_size) {
  TokenizerSource t = source;
  t.bytes.clear();
  t.kind = Kind::kGguf;
  switch (source.kind) {
    case Kind::kNone:
      return source;
    case Kind::kGguf:
      break;
    case Kind::kTiktoken:
      PRONK_TRY(fill_from_tiktoken(&t, source.bytes));
      break;
    case Kind::kSentencePiece:
      PRONK_TRY(fill_from_sentencepiece(&t, source.bytes));
      break;
    case Kind::kLlama2c:
      PRONK_TRY(fill_from_llama2c(&t, source.bytes));
      break;
    case Kind::kHuggingFaceJson: {
      TokenizerSource read = PRONK_TRY(tokenizer_from_json(source.bytes));
      t.gguf_model = read.gguf_model, t.gguf_pre = read.gguf_pre;
      t.tokens = std::move(read.tokens), t.token_types = std::move(read.token_types);
      t.merges = std::move(read.merges);
      t.add_bos = t.add_bos ? t.add_bos : read.add_bos;
      break;
    }
  }
  for (std::size_t i = 0; i < t.tokens.size(); ++i)  // ids that the file leaves out
    if (t.tokens[i].empty() && !t.token_types.empty() && t.token_types[i] == kUnused)
      t.tokens[i] = fmt::format("[PAD{}]", i);
  while (std::ssize(t.tokens) < vocab_size) {
    if (!t.scores.empty()) t.scores.push_back(0);
    if (!t.token_types.empty()) t.token_types.push_back(kUnused);
    t.tokens.push_back(fmt::format("[PAD{}]", t.tokens.size()));
  }
  name_ends(&t);
  return t;
}

Result<std::vector<NamedFile>> to_hf_tokenizer(const ModelSource& source) {
  const TokenizerSource& given = source.tokenizer;
  std::vector<NamedFile> files;
  if (given.kind == Kind::kNone) return files;
  if (given.kind == Kind::kHuggingFaceJson) {
    files.push_back({"tokenizer.json", given.bytes});
    if (!given.tokenizer_config_json.empty())
      files.push_back({"tokenizer_config.json", given.tokenizer_config_json});
    for (const ChatTemplateSource& t : source.chat_templates)
      if (t.name == "default") files.push_back({"chat_template.jinja", t.text});
    return files;
  }
  const TokenizerSource t = PRONK_TRY(to_gguf_tokenizer(given, 0));
  const bool is_sentencepiece = t.gguf_model == "llama";
  if (given.kind == Kind::kSentencePiece) {
    files.push_back({"tokenizer.model", given.bytes});
  } else if (is_sentencepiece) {
    std::string model = PRONK_TRY(to_sentencepiece(t));
    files.push_back({"tokenizer.model", std::move(model)});
  } else {
    std::string json = PRONK_TRY(tokenizer_to_json(t));
    files.push_back({"tokenizer.json", std::move(json)});
  }
  files.push_back({"tokenizer_config.json", given.tokenizer_config_json.empty()
                                                ? tokenizer_config(source, t, is_sentencepiece)
                                                : given.tokenizer_config_json});
  return files;
}

}  // namespace pronk
