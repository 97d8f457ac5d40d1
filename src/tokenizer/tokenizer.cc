#include "pronk/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/advice.h"
#include "tokenizer/tokenizer_impl.h"

namespace pronk {

namespace {

// Llama 3.1 ends a reply with any of three tokens, and many files name only one.
constexpr std::string_view kEndNames[] = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>",
                                          "<|im_end|>", "</s>",       "<|endoftext|>"};

BpeOptions with_user_symbols(BpeOptions options, const ByteTrie& symbols) {
  options.user_symbols = symbols.empty() ? nullptr : &symbols;
  return options;
}

Result<TokenizerParts> read_parts(const TokenizerSource& source) {
  switch (source.kind) {
    case TokenizerSource::Kind::kHuggingFaceJson:
      return read_huggingface_tokenizer(source);
    case TokenizerSource::Kind::kTiktoken:
      return read_tiktoken(source);
    case TokenizerSource::Kind::kSentencePiece:
      return read_sentencepiece(source);
    case TokenizerSource::Kind::kGguf:
      return read_gguf_tokenizer(source);
    case TokenizerSource::Kind::kLlama2c:
      return read_llama2c_tokenizer(source);
    case TokenizerSource::Kind::kNone:
      break;
  }
  return error(Code::kNotFound,
               "the model has no tokenizer; put its tokenizer.json or tokenizer.model beside it");
}

// Ids that other files name must be tokens of this vocabulary.
Status check_ids(const TokenizerParts& parts) {
  const auto check = [&](std::string_view what, std::optional<TokenId> id) -> Status {
    if (!id || parts.vocabulary.contains(*id)) return Ok{};
    return error(Code::kCorruptData, fmt::format("{} is token {}, the vocabulary has {} tokens",
                                                 what, *id, parts.vocabulary.size()));
  };
  PRONK_TRY(check("bos", parts.bos));
  PRONK_TRY(check("eos", parts.eos));
  for (const TokenId t : parts.end_tokens) PRONK_TRY(check("an end token", t));
  return Ok{};
}

// What the files say about the ends of a text, over what the kind of tokenizer would suggest.
void take_ids(const TokenizerSource& source, TokenizerParts& parts) {
  if (source.bos) parts.bos = source.bos;
  if (source.eos) parts.eos = source.eos;
  if (source.add_bos) parts.adds_bos = *source.add_bos;
  if (!parts.bos) parts.adds_bos = false;

  std::vector<TokenId> ends = source.end_tokens;
  for (const auto id : {parts.eos, source.eot, source.eom})
    if (id) ends.push_back(*id);
  for (TokenId t = 0; t < parts.vocabulary.size(); ++t)
    if (parts.vocabulary.type(t) == TokenType::kControl &&
        std::count(std::begin(kEndNames), std::end(kEndNames), parts.vocabulary.bytes(t)) > 0)
      ends.push_back(t);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  parts.end_tokens = std::move(ends);
}

}  // namespace

Tokenizer::Impl::Impl(TokenizerParts parts)
    : parts_(std::move(parts)),
      added_(std::move(parts_.added_tokens)),
      normalized_added_(std::move(parts_.normalized_added_tokens)),
      splitter_(std::move(parts_.split_rules)) {
  if (parts_.unigram)
    unigram_.emplace(parts_.vocabulary, std::move(*parts_.unigram));
  else
    bpe_.emplace(parts_.vocabulary, parts_.merges, parts_.extra_symbols,
                 with_user_symbols(parts_.bpe, parts_.user_symbols));
  parts_.merges = {};
  for (TokenId t = 0; t < parts_.vocabulary.size(); ++t)
    if (is_special(t)) specials_.emplace(parts_.vocabulary.bytes(t), t);
}

bool Tokenizer::Impl::is_special(TokenId token) const {
  return parts_.vocabulary.contains(token) && parts_.vocabulary.type(token) == TokenType::kControl;
}

std::optional<TokenId> Tokenizer::Impl::find_special(std::string_view text) const {
  const auto found = specials_.find(text);
  return found == specials_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<TokenId> Tokenizer::Impl::encode(std::string_view text, const SpecialRanges& specials,
                                             std::size_t* num_dropped_bytes) const {
  std::vector<TokenId> out;
  out.reserve(text.size() / 4 + 4);
  Bpe::Workspace workspace;
  for (const Segment& s : added_.find(text, specials)) {
    if (s.token != kNoToken)
      out.push_back(s.token);
    else
      encode_segment(text.substr(s.begin, s.end - s.begin), s.begin == 0, workspace, out);
  }
  if (num_dropped_bytes) *num_dropped_bytes = workspace.num_dropped_bytes();
  return out;
}

void Tokenizer::Impl::encode_segment(std::string_view text, bool first, Bpe::Workspace& workspace,
                                     std::vector<TokenId>& out) const {
  const bool between = parts_.normalizes_between_added && !normalized_added_.empty();
  std::string whole, part;
  if (!between) text = normalize(text, first, whole);
  if (normalized_added_.empty()) {
    encode_normalized(text, workspace, out);
    return;
  }
  for (const Segment& s : normalized_added_.find(text, SpecialRanges::none())) {
    const std::string_view piece = text.substr(s.begin, s.end - s.begin);
    if (s.token != kNoToken)
      out.push_back(s.token);
    else
      encode_normalized(between ? normalize(piece, first && s.begin == 0, part) : piece, workspace,
                        out);
  }
}

std::string_view Tokenizer::Impl::normalize(std::string_view text, bool first,
                                            std::string& storage) const {
  if (!parts_.normalizer.changes_text()) return text;
  storage = parts_.normalizer.apply(text, first);
  return storage;
}

void Tokenizer::Impl::encode_normalized(std::string_view text, Bpe::Workspace& workspace,
                                        std::vector<TokenId>& out) const {
  if (unigram_) {
    unigram_->encode(text, out);
    return;
  }
  workspace.begin_text();
  splitter_.split(text, [&](std::string_view piece) { bpe_->encode(piece, workspace, out); });
}

void Tokenizer::Impl::append(TokenId token, bool& at_start, std::string& out) const {
  std::string_view bytes = parts_.vocabulary.bytes(token);
  const TokenType type = parts_.vocabulary.type(token);
  if (type != TokenType::kControl) {
    if (at_start && parts_.strips_first_space && type != TokenType::kByte &&
        bytes.starts_with(' ')) {
      bytes.remove_prefix(1);
      at_start = parts_.strips_first_spaces && bytes.empty();
    } else if (!bytes.empty()) {
      at_start = false;
    }
  }
  out += bytes;
}

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  const TokenizerSource source = PRONK_TRY(read_tokenizer(path));
  return from_source(source);
}

Result<Tokenizer> Tokenizer::from_source(const TokenizerSource& source) {
  TokenizerParts parts = PRONK_TRY_IN("read tokenizer", advised(read_parts(source)));
  take_ids(source, parts);
  PRONK_TRY_IN("read tokenizer", advised(check_ids(parts)));
  return Tokenizer(std::make_shared<const Impl>(std::move(parts)));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, Specials specials,
                                       std::size_t* num_dropped_bytes) const {
  return impl_->encode(
      text,
      specials == Specials::kRecognise ? SpecialRanges::all(text.size()) : SpecialRanges::none(),
      num_dropped_bytes);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text,
                                       std::span<const ByteRange> special_ranges) const {
  return impl_->encode(text, SpecialRanges::join(special_ranges));
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> tokens, bool skip_specials) const {
  std::string out;
  bool at_start = true;
  for (const TokenId t : tokens) {
    if (t < 0 || t >= vocab_size())
      return error(
          Code::kInvalidArgument,
          fmt::format("decode: token {} is not in the vocabulary of {} tokens", t, vocab_size()));
    if (!skip_specials || !is_special(t)) impl_->append(t, at_start, out);
  }
  return out;
}

std::string_view Tokenizer::piece(TokenId token) const {
  const Vocabulary& vocabulary = impl_->parts().vocabulary;
  return vocabulary.contains(token) ? vocabulary.bytes(token) : std::string_view{};
}

bool Tokenizer::is_special(TokenId token) const { return impl_->is_special(token); }
std::optional<TokenId> Tokenizer::find_special(std::string_view text) const {
  return impl_->find_special(text);
}
int Tokenizer::vocab_size() const { return impl_->parts().vocabulary.size(); }
std::optional<TokenId> Tokenizer::bos() const { return impl_->parts().bos; }
std::optional<TokenId> Tokenizer::eos() const { return impl_->parts().eos; }
bool Tokenizer::adds_bos() const { return impl_->parts().adds_bos; }
std::span<const TokenId> Tokenizer::end_tokens() const { return impl_->parts().end_tokens; }
std::string_view Tokenizer::kind() const { return impl_->parts().kind; }

}  // namespace pronk
