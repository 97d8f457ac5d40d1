// Hugging Face's tokenizer.json: a BPE model (vocabulary and merges), added tokens, and the
// components of huggingface_pipeline.h.
#include <fmt/format.h>

#include <optional>

#include "text/byte_level.h"
#include "text/utf8.h"
#include "tokenizer/huggingface_pipeline.h"
#include "tokenizer/parts.h"
#include "tokenizer/sentencepiece_parts.h"

namespace pronk {

namespace {

// Ids need not be dense, but a file whose ids lie far beyond its tokens is broken.
constexpr std::size_t kMaxUnusedIds = 1 << 16;
constexpr std::size_t kMaxMerges = 1 << 26;

// A token as the file writes it.
struct Entry {
  std::string_view text;
  bool in_model = false;  // in model.vocab
  bool added = false, special = false;
};

bool flag(const json::value& object, std::string_view key) {
  const json::value* v = find(object, key);
  return v && v->is_bool() && v->get_bool();
}

std::string_view text_or_empty(const json::value& object, std::string_view key) {
  const json::string* s = find_string(object, key);
  return s ? std::string_view(*s) : std::string_view{};
}

class Reader {
 public:
  explicit Reader(const json::value& file) : file_(file) {}

  Result<TokenizerParts> read() {
    model_ = find(file_, "model");
    if (!model_ || !model_->is_object())
      return error(Code::kCorruptData, "no model; this is no tokenizer.json");
    pipeline_ = PRONK_TRY(read_huggingface_pipeline(file_));
    PRONK_TRY_IN("model", read_model());
    PRONK_TRY_IN("added_tokens", read_added_tokens());
    PRONK_TRY(fill_vocabulary());
    PRONK_TRY_IN("model.merges", read_merges());
    take_pipeline();
    return std::move(parts_);
  }

 private:
  Status read_model();
  Status read_vocabulary();
  Status read_added_tokens();
  Status place(const json::value& id, const Entry& entry);
  Status fill_vocabulary();
  Status read_merges();
  Result<Merge> read_merge(std::string_view left, std::string_view right, std::size_t rank) const;
  std::optional<std::string> bytes_of(std::string_view text) const;
  void take_pipeline();

  const json::value& file_;
  const json::value* model_ = nullptr;
  HuggingFacePipeline pipeline_;
  std::size_t id_limit_ = 0;
  std::vector<Entry> entries_;  // by id
  TokenizerParts parts_;
};

Status Reader::read_model() {
  const std::string_view type = text_or_empty(*model_, "type");
  if (type != "BPE" && !(type.empty() && find_array(*model_, "merges")))
    return error(Code::kUnsupported, fmt::format("type '{}': built is BPE", printable(type)));
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!text_or_empty(*model_, name).empty())
      return error(Code::kUnsupported, fmt::format("{} '{}': built is none", name,
                                                   printable(text_or_empty(*model_, name))));
  const json::value* dropout = find(*model_, "dropout");
  if (dropout && dropout->is_double() && dropout->get_double() != 0)
    return error(Code::kUnsupported, "dropout: ids would depend on chance");
  parts_.bpe.byte_symbols = pipeline_.byte_level;
  parts_.bpe.whole_piece_first = flag(*model_, "ignore_merges");
  parts_.bpe.byte_fallback = flag(*model_, "byte_fallback");
  parts_.bpe.fuse_unknown = flag(*model_, "fuse_unk");
  return read_vocabulary();
}

Status Reader::read_vocabulary() {
  const json::object* vocab = find_object(*model_, "vocab");
  if (!vocab) return error(Code::kCorruptData, "no vocab");
  const json::array* added = find_array(file_, "added_tokens");
  const std::size_t num_tokens = vocab->size() + (added ? added->size() : 0);
  if (num_tokens > kMaxTokens)
    return error(Code::kCorruptData, fmt::format("vocab of {} tokens", num_tokens));
  id_limit_ = num_tokens + kMaxUnusedIds;
  for (const auto& [text, id] : *vocab) PRONK_TRY(place(id, {.text = text, .in_model = true}));
  return Ok{};
}

Status Reader::read_added_tokens() {
  const json::array* list = find_array(file_, "added_tokens");
  if (!list) return Ok{};
  for (const json::value& token : *list) {
    const std::string_view text = text_or_empty(token, "content");
    const json::value* id = find(token, "id");
    if (text.empty() || !id) return error(Code::kCorruptData, "a token without 'content' or 'id'");
    const bool special = flag(token, "special");
    PRONK_TRY(place(*id, {.text = text, .added = true, .special = special}));
    AddedToken added{.text = std::string(text),
                     .id = static_cast<TokenId>(id->get_int64()),
                     .special = special,
                     .strips_left = flag(token, "lstrip"),
                     .strips_right = flag(token, "rstrip"),
                     .single_word = flag(token, "single_word")};
    // tokenizers looks for tokens with `normalized` after normalizing text and token alike. Special
    // ones are found by their place in the text here, and so before.
    if (flag(token, "normalized") && !special) {
      if (pipeline_.normalizer.changes_text() && !pipeline_.normalizes_between_added)
        added.text = pipeline_.normalizer.apply(added.text, true);
      parts_.normalized_added_tokens.push_back(std::move(added));
    } else {
      parts_.added_tokens.push_back(std::move(added));
    }
  }
  return Ok{};
}

// Puts the token at its id; a token of the model may be named as an added one again.
Status Reader::place(const json::value& id, const Entry& entry) {
  const std::string_view text = entry.text;
  const std::int64_t value = id.is_int64() ? id.get_int64() : -1;
  if (value < 0 || value >= static_cast<std::int64_t>(id_limit_))
    return error(Code::kCorruptData,
                 fmt::format("token '{}' has the id {} in a vocabulary of {}", printable(text),
                             printable(json::serialize(id)), id_limit_ - kMaxUnusedIds));
  const auto i = static_cast<std::size_t>(value);
  if (i >= entries_.size()) entries_.resize(i + 1);
  Entry& there = entries_[i];
  if ((there.in_model || there.added) && there.text != text)
    return error(Code::kCorruptData, fmt::format("tokens '{}' and '{}' have the same id {}",
                                                 printable(there.text), printable(text), value));
  there.text = text;
  there.in_model |= entry.in_model;
  there.added |= entry.added;
  there.special |= entry.special;
  return Ok{};
}

// The bytes that a token of the model stands for in the text that is merged; nothing when such a
// text cannot hold them.
std::optional<std::string> Reader::bytes_of(std::string_view text) const {
  if (pipeline_.byte_level) return bytes_of_byte_level(text);
  if (pipeline_.normalizer.spaces && text.find(' ') != std::string_view::npos) return std::nullopt;
  return with_spaces(text);
}

Status Reader::fill_vocabulary() {
  const std::string_view unknown = text_or_empty(*model_, "unk_token");
  for (const Entry& e : entries_) {
    const TokenId id = parts_.vocabulary.size();
    if (!unknown.empty() && e.text == unknown) parts_.bpe.unknown = id;
    if (e.special) {
      parts_.vocabulary.add(e.text, TokenType::kControl, false);
      continue;
    }
    const std::optional<char> byte =
        parts_.bpe.byte_fallback ? byte_of_piece(e.text) : std::nullopt;
    if (byte) {
      parts_.vocabulary.add({&*byte, 1}, TokenType::kByte, false);
      continue;
    }
    const std::optional<std::string> bytes = e.in_model ? bytes_of(e.text) : std::nullopt;
    const TokenType type = e.added             ? TokenType::kUserDefined
                           : e.text == unknown ? TokenType::kUnknown
                           : e.in_model        ? TokenType::kNormal
                                               : TokenType::kUnused;
    const std::string_view shown = e.added || !bytes ? e.text : std::string_view(*bytes);
    parts_.vocabulary.add(shown, type, bytes && !bytes->empty() && shown == *bytes);
  }
  if (!unknown.empty() && parts_.bpe.unknown == kNoToken)
    return error(Code::kCorruptData,
                 fmt::format("model: unk_token '{}' is not in the vocabulary", printable(unknown)));
  return Ok{};
}

// A merge is "left right" or ["left", "right"].
Status Reader::read_merges() {
  const json::array* merges = find_array(*model_, "merges");
  if (!merges) return error(Code::kCorruptData, "missing");
  if (merges->size() > kMaxMerges)
    return error(Code::kCorruptData, fmt::format("{} merges", merges->size()));
  parts_.merges.reserve(merges->size());
  for (std::size_t rank = 0; rank < merges->size(); ++rank) {
    const json::value& merge = (*merges)[rank];
    std::string_view left, right;
    if (const json::string* text = merge.if_string()) {
      const std::string_view both = *text;
      const std::size_t space = both.find(' ');
      if (space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos) {
        left = both.substr(0, space);
        right = both.substr(space + 1);
      }
    } else if (const json::array* pair = merge.if_array();
               pair && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string()) {
      left = (*pair)[0].get_string();
      right = (*pair)[1].get_string();
    }
    if (left.empty() || right.empty())
      return error(Code::kCorruptData, fmt::format("merge {} {} is not two tokens", rank,
                                                   printable(json::serialize(merge))));
    parts_.merges.push_back(PRONK_TRY(read_merge(left, right, rank)));
  }
  return Ok{};
}

Result<Merge> Reader::read_merge(std::string_view left, std::string_view right,
                                 std::size_t rank) const {
  const std::optional<std::string> a = bytes_of(left), b = bytes_of(right);
  const auto find = [&](const std::optional<std::string>& bytes) {
    return bytes ? parts_.vocabulary.find(*bytes) : kNoToken;
  };
  const Merge merge{find(a), find(b), a && b ? parts_.vocabulary.find(*a + *b) : kNoToken,
                    static_cast<std::int32_t>(rank)};
  if (merge.left == kNoToken || merge.right == kNoToken || merge.result == kNoToken)
    return error(Code::kCorruptData,
                 fmt::format("merge {} '{}' '{}': a token is not in the vocabulary", rank,
                             printable(left), printable(right)));
  return merge;
}

void Reader::take_pipeline() {
  parts_.kind = pipeline_.byte_level ? "byte-level BPE (tokenizer.json)" : "BPE (tokenizer.json)";
  parts_.split_rules = std::move(pipeline_.split_rules);
  if (!pipeline_.byte_level && parts_.split_rules.empty() && !has_space_inside(parts_.vocabulary))
    parts_.split_rules = {{.kind = SplitRule::Kind::kSpaceRuns}};
  parts_.normalizer = std::move(pipeline_.normalizer);
  parts_.normalizes_between_added = pipeline_.normalizes_between_added;
  parts_.strips_first_space = pipeline_.strips_first_space;
  parts_.bos = pipeline_.bos;
  parts_.adds_bos = pipeline_.bos.has_value();
}

// tokenizer_config.json's "bos_token": a name, or an added token's object.
std::optional<TokenId> named_token(const json::value& config, std::string_view key,
                                   const Vocabulary& vocabulary) {
  const json::value* name = find(config, key);
  const json::string* text = !name               ? nullptr
                             : name->is_object() ? find_string(*name, "content")
                                                 : name->if_string();
  if (!text) return std::nullopt;
  for (TokenId t = 0; t < vocabulary.size(); ++t)
    if (vocabulary.bytes(t) == std::string_view(*text)) return t;
  return std::nullopt;
}

}  // namespace

Result<TokenizerParts> read_huggingface_tokenizer(const TokenizerSource& source) {
  const json::value file = PRONK_TRY_IN("tokenizer.json", parse_json(source.bytes));
  TokenizerParts parts = PRONK_TRY_IN("tokenizer.json", Reader(file).read());
  if (!source.tokenizer_config_json.empty()) {
    const json::value config =
        PRONK_TRY_IN("tokenizer_config.json", parse_json(source.tokenizer_config_json));
    if (!parts.bos) parts.bos = named_token(config, "bos_token", parts.vocabulary);
    parts.eos = named_token(config, "eos_token", parts.vocabulary);
  }
  return parts;
}

}  // namespace pronk
