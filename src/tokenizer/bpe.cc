#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "text/utf8.h"

namespace pronk {

namespace {

constexpr TokenId kGone = -2;  // a symbol that was merged away
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
// Up to here a scan for the best pair is faster than a heap (bench/tokenizer).
constexpr std::size_t kFewSymbols = 48;

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges,
         const std::vector<std::string>& extra_symbols, const BpeOptions& options)
    : vocabulary_(vocabulary), options_(options) {
  for (const std::string& symbol : extra_symbols)
    extra_symbols_.add(symbol, TokenType::kNormal, true);
  const std::size_t num_slots = std::bit_ceil(2 * merges.size() + 2);
  slots_.resize(num_slots);
  shift_ = 64 - std::countr_zero(num_slots);
  for (const Merge& m : merges) insert(m);

  byte_tokens_.fill(kNoToken);
  if (options_.byte_symbols) {
    for (unsigned b = 0; b < 256; ++b) {
      const char byte = static_cast<char>(b);
      byte_tokens_[b] = vocabulary_.find({&byte, 1});
    }
  } else if (options_.byte_fallback) {
    for (TokenId t = vocabulary_.size() - 1; t >= 0; --t)
      if (vocabulary_.type(t) == TokenType::kByte)
        byte_tokens_[static_cast<unsigned char>(vocabulary_.bytes(t)[0])] = t;
  }
  split_unused_tokens();
  if (!options_.whole_piece_first) find_whole_tokens();
}

void Bpe::insert(const Merge& m) {
  const std::uint64_t pair = key(m.left, m.right);
  std::size_t i = slot(pair);
  while (slots_[i].pair != kEmpty && slots_[i].pair != pair) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = {pair, m.rank, m.result};
}

const Bpe::Slot& Bpe::find(TokenId left, TokenId right) const {
  const std::uint64_t pair = key(left, right);
  std::size_t i = slot(pair);
  while (slots_[i].pair != pair && slots_[i].pair != kEmpty) i = (i + 1) & (slots_.size() - 1);
  return slots_[i];
}

// Lets encode() know the tokens that are their own encoding without merging them each time.
void Bpe::find_whole_tokens() {
  std::vector<bool> whole(static_cast<std::size_t>(vocabulary_.size()));
  Workspace w;
  for (TokenId t = 0; t < vocabulary_.size(); ++t) {
    if (vocabulary_.find(vocabulary_.bytes(t)) != t) continue;
    to_symbols(vocabulary_.bytes(t), w);
    merge(w);
    whole[static_cast<std::size_t>(t)] = w.symbols_.size() == 1 && w.symbols_[0].token == t &&
                                         vocabulary_.type(t) != TokenType::kUnused;
  }
  is_whole_ = std::move(whole);
}

// SentencePiece takes the pair that the token was merged from in the text at hand; this is the pair
// that its own bytes merge through, which for all but contrived vocabularies is the same.
void Bpe::split_unused_tokens() {
  Workspace w;
  for (TokenId t = 0; t < vocabulary_.size(); ++t) {
    if (vocabulary_.type(t) != TokenType::kUnused) continue;
    to_symbols(vocabulary_.bytes(t), w);
    merge(w, 2);
    if (w.symbols_.size() == 2 && find(w.symbols_[0].token, w.symbols_[1].token).result == t)
      unused_.push_back({t, w.symbols_[0].token, w.symbols_[1].token});
  }
}

TokenId Bpe::symbol(std::string_view character) const {
  const std::uint64_t hash = hash_bytes(character);
  const TokenId t = vocabulary_.find(character, hash);
  if (t != kNoToken) return t;
  const TokenId extra = extra_symbols_.find(character, hash);
  return extra == kNoToken ? kNoToken : vocabulary_.size() + extra;
}

void Bpe::to_symbols(std::string_view piece, Workspace& w) const {
  w.symbols_.clear();
  // Without a token for the unknown, it vanishes and its neighbours meet.
  const bool drops_unknown = options_.unknown == kNoToken && !options_.byte_fallback;
  for (std::size_t i = 0; i < piece.size();) {
    std::size_t length = 1;
    TokenId token = kNoToken;
    if (options_.byte_symbols) {
      token = byte_tokens_[static_cast<unsigned char>(piece[i])];
    } else {
      if (options_.user_symbols)
        options_.user_symbols->for_each_prefix(piece, i, [&](std::size_t size, TokenId user) {
          length = size;
          token = user;
          return true;
        });
      if (token == kNoToken) {
        length = static_cast<std::size_t>(decode_utf8(piece, i).length);
        token = symbol(piece.substr(i, length));
      }
    }
    if (token != kNoToken || !drops_unknown)
      w.symbols_.push_back({token, static_cast<std::uint32_t>(i)});
    else
      w.num_dropped_bytes_ += length;
    i += length;
  }
}

void Bpe::merge(Workspace& w, std::size_t num_left) const {
  if (w.symbols_.size() <= kFewSymbols)
    merge_few(w, num_left);
  else
    merge_many(w, num_left);
}

void Bpe::merge_few(Workspace& w, std::size_t num_left) const {
  auto& symbols = w.symbols_;
  auto& pairs = w.pairs_;
  const auto pair_at = [&](std::size_t i) -> Workspace::Pair {
    const Slot& slot = find(symbols[i].token, symbols[i + 1].token);
    return {slot.rank, slot.result};
  };
  pairs.clear();
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) pairs.push_back(pair_at(i));
  while (symbols.size() > num_left) {
    const auto best = std::min_element(pairs.begin(), pairs.end(),
                                       [](auto& a, auto& b) { return a.rank < b.rank; });
    if (best == pairs.end() || best->rank == kNoRank) return;
    const auto i = static_cast<std::size_t>(best - pairs.begin());
    symbols[i].token = best->result;
    symbols.erase(symbols.begin() + (best - pairs.begin()) + 1);
    pairs.erase(best);
    if (i > 0) pairs[i - 1] = pair_at(i - 1);
    if (i < pairs.size()) pairs[i] = pair_at(i);
  }
}

// The same with a heap of candidates over a linked list: n log n for a piece of n symbols.
void Bpe::merge_many(Workspace& w, std::size_t num_left) const {
  auto& symbols = w.symbols_;
  const auto num_symbols = static_cast<std::uint32_t>(symbols.size());
  w.previous_.resize(num_symbols);
  w.next_.resize(num_symbols);
  for (std::uint32_t i = 0; i < num_symbols; ++i) {
    w.previous_[i] = i == 0 ? kNone : i - 1;
    w.next_[i] = i + 1 == num_symbols ? kNone : i + 1;
  }
  const auto later = [](const Workspace::Candidate& a, const Workspace::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  };
  auto& heap = w.heap_;
  heap.clear();
  const auto add = [&](std::uint32_t i) {
    const std::uint32_t next = w.next_[i];
    if (next == kNone) return false;
    const Slot& slot = find(symbols[i].token, symbols[next].token);
    if (slot.pair == kEmpty) return false;
    heap.push_back({slot.rank, i, symbols[i].token, symbols[next].token, slot.result});
    return true;
  };
  for (std::uint32_t i = 0; i < num_symbols; ++i) add(i);
  std::make_heap(heap.begin(), heap.end(), later);

  std::size_t left = num_symbols;
  while (!heap.empty() && left > num_left) {
    const Workspace::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    const std::uint32_t i = best.position, j = w.next_[i];
    // A symbol that was merged into its left neighbour keeps kGone, so that old candidates fail.
    if (symbols[i].token != best.left || j == kNone || symbols[j].token != best.right) continue;
    symbols[i].token = best.result;
    symbols[j].token = kGone;
    w.next_[i] = w.next_[j];
    if (w.next_[i] != kNone) w.previous_[w.next_[i]] = i;
    --left;
    if (w.previous_[i] != kNone && add(w.previous_[i]))
      std::push_heap(heap.begin(), heap.end(), later);
    if (add(i)) std::push_heap(heap.begin(), heap.end(), later);
  }
  std::erase_if(symbols, [](const Workspace::Symbol& s) { return s.token == kGone; });
}

void Bpe::encode(std::string_view piece, Workspace& w, std::vector<TokenId>& out) const {
  const std::uint64_t hash = hash_bytes(piece);
  const TokenId whole = vocabulary_.find(piece, hash);
  if (whole != kNoToken &&
      (options_.whole_piece_first || is_whole_[static_cast<std::size_t>(whole)])) {
    out.push_back(whole);
    w.after_unknown_ = false;
    return;
  }
  if (const auto* cached = w.find(piece, hash)) {
    const TokenId* tokens = w.cached_tokens_.data() + cached->tokens_begin;
    out.insert(out.end(), tokens, tokens + cached->num_tokens);
    w.after_unknown_ = false;
    return;
  }
  const std::size_t begin = out.size(), num_dropped_before = w.num_dropped_bytes_;
  to_symbols(piece, w);
  merge(w);
  write(piece, w, out);
  // A piece with an unknown character may begin or end a run of them, and one that lost bytes is
  // counted each time: never from the cache.
  const bool known = w.num_dropped_bytes_ == num_dropped_before &&
                     std::none_of(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
                                  [&](TokenId t) { return t == options_.unknown; }) &&
                     out.size() > begin;
  if (known) w.remember(piece, hash, out.data() + begin, out.size() - begin);
}

void Bpe::write(std::string_view piece, Workspace& w, std::vector<TokenId>& out) const {
  for (std::size_t i = 0; i < w.symbols_.size(); ++i) {
    const Workspace::Symbol& s = w.symbols_[i];
    if (vocabulary_.contains(s.token)) {
      write_token(s.token, out);
      w.after_unknown_ = false;
      continue;
    }
    const std::size_t end = i + 1 < w.symbols_.size() ? w.symbols_[i + 1].begin : piece.size();
    write_unknown(piece.substr(s.begin, end - s.begin), w, out);
  }
}

void Bpe::write_token(TokenId token, std::vector<TokenId>& out) const {
  if (!unused_.empty() && vocabulary_.type(token) == TokenType::kUnused) {
    const auto halves = std::lower_bound(unused_.begin(), unused_.end(), token,
                                         [](const Halves& h, TokenId t) { return h.token < t; });
    if (halves != unused_.end() && halves->token == token) {
      write_token(halves->left, out);
      write_token(halves->right, out);
      return;
    }
  }
  out.push_back(token);
}

void Bpe::write_unknown(std::string_view bytes, Workspace& w, std::vector<TokenId>& out) const {
  const auto byte_token = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  if (options_.byte_fallback &&
      std::none_of(bytes.begin(), bytes.end(), [&](char c) { return byte_token(c) == kNoToken; })) {
    for (const char c : bytes) out.push_back(byte_token(c));
    w.after_unknown_ = false;
  } else if (options_.unknown != kNoToken) {
    if (!(w.after_unknown_ && options_.fuse_unknown)) out.push_back(options_.unknown);
    w.after_unknown_ = true;
  } else {
    w.num_dropped_bytes_ += bytes.size();
  }
}

const Bpe::Workspace::Cached* Bpe::Workspace::find(std::string_view piece,
                                                   std::uint64_t hash) const {
  if (cache_.empty()) return nullptr;
  const Cached& c = cache_[hash % kNumCached];
  const bool same = c.hash == hash && c.num_tokens > 0 && c.text_size == piece.size() &&
                    std::string_view(cached_text_).substr(c.text_begin, c.text_size) == piece;
  return same ? &c : nullptr;
}

void Bpe::Workspace::remember(std::string_view piece, std::uint64_t hash, const TokenId* tokens,
                              std::size_t num_tokens) {
  if (piece.size() > kMaxCachedBytes) return;
  if (cache_.empty() || cached_text_.size() > kMaxCacheArena) {
    cache_.assign(kNumCached, {});
    cached_text_.clear();
    cached_tokens_.clear();
  }
  cache_[hash % kNumCached] = {hash, static_cast<std::uint32_t>(cached_text_.size()),
                               static_cast<std::uint32_t>(piece.size()),
                               static_cast<std::uint32_t>(cached_tokens_.size()),
                               static_cast<std::uint32_t>(num_tokens)};
  cached_text_ += piece;
  cached_tokens_.insert(cached_tokens_.end(), tokens, tokens + num_tokens);
}

VocabularyMerges merges_of_vocabulary(const Vocabulary& vocabulary,
                                      const std::vector<std::int32_t>& ranks) {
  VocabularyMerges out;
  Vocabulary extra;
  const auto is_character = [](std::string_view s) {
    return static_cast<std::size_t>(decode_utf8(s, 0).length) == s.size();
  };
  const auto part = [&](std::string_view s) {
    const std::uint64_t hash = hash_bytes(s);
    if (const TokenId t = vocabulary.find(s, hash); t != kNoToken)
      return vocabulary.type(t) == TokenType::kUserDefined ? kNoToken : t;
    if (!is_character(s)) return kNoToken;
    if (extra.find(s, hash) == kNoToken) {
      extra.add(s, TokenType::kNormal, true);
      out.extra_symbols.emplace_back(s);
    }
    return vocabulary.size() + extra.find(s, hash);
  };
  for (TokenId t = 0; t < vocabulary.size(); ++t) {
    const std::string_view bytes = vocabulary.bytes(t);
    if (bytes.size() > kMaxMergedTokenBytes || vocabulary.find(bytes) != t ||
        vocabulary.type(t) == TokenType::kUserDefined)
      continue;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      const TokenId right = part(bytes.substr(cut));
      const TokenId left = right == kNoToken ? kNoToken : part(bytes.substr(0, cut));
      if (left != kNoToken)
        out.merges.push_back({left, right, t, ranks[static_cast<std::size_t>(t)]});
    }
  }
  return out;
}

}  // namespace pronk
