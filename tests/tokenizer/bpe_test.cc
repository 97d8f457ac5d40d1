// The fast encoders against plain ones, on vocabularies and texts of chance.
#include "tokenizer/bpe.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "tokenizer/unigram.h"

namespace pronk {
namespace {

using testing::ElementsAre;

// Merges the best pair, the leftmost of equals, until there is none.
std::vector<TokenId> merge_plainly(std::vector<TokenId> tokens, const std::vector<Merge>& merges) {
  std::map<std::pair<TokenId, TokenId>, Merge> by_pair;
  for (const Merge& m : merges) by_pair[{m.left, m.right}] = m;
  for (;;) {
    const Merge* best = nullptr;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto found = by_pair.find({tokens[i], tokens[i + 1]});
      if (found == by_pair.end() || (best && best->rank <= found->second.rank)) continue;
      best = &found->second;
      place = i;
    }
    if (!best) return tokens;
    tokens[place] = best->result;
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

// All 256 bytes, and 60 tokens made of two others each, in letters a to d.
struct RandomVocabulary {
  explicit RandomVocabulary(unsigned seed) : chance(seed) {
    for (int b = 0; b < 256; ++b)
      vocabulary.add(std::string(1, static_cast<char>(b)), TokenType::kNormal, true);
    std::vector<TokenId> known = {'a', 'b', 'c', 'd'};
    while (known.size() < 64) {
      const TokenId left = known[chance() % known.size()], right = known[chance() % known.size()];
      const std::string bytes =
          std::string(vocabulary.bytes(left)) + std::string(vocabulary.bytes(right));
      if (bytes.size() > 12 || vocabulary.find(bytes) != kNoToken) continue;
      known.push_back(vocabulary.size());
      vocabulary.add(bytes, TokenType::kNormal, true);
    }
  }
  std::string text(std::size_t size) {
    std::string s;
    while (s.size() < size) s.push_back(static_cast<char>('a' + chance() % 4));
    return s;
  }
  std::mt19937 chance;
  Vocabulary vocabulary;
};

TEST(Bpe, EqualsPlainMergingForShortAndLongPieces) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    RandomVocabulary random(seed);
    std::vector<std::int32_t> ranks(static_cast<std::size_t>(random.vocabulary.size()));
    // Few ranks, so that many are equal and the leftmost pair must be taken.
    for (std::int32_t& r : ranks) r = static_cast<std::int32_t>(random.chance() % 8);
    const std::vector<Merge> merges = merges_of_vocabulary(random.vocabulary, ranks).merges;
    const Bpe bpe(random.vocabulary, merges, {}, {});
    Bpe::Workspace workspace;
    for (const std::size_t size : {1u, 2u, 3u, 7u, 30u, 48u, 49u, 200u, 700u}) {
      const std::string text = random.text(size);
      std::vector<TokenId> fast;
      bpe.encode(text, workspace, fast);
      EXPECT_EQ(fast, merge_plainly({text.begin(), text.end()}, merges)) << text;
      std::vector<TokenId> again;  // now from the workspace's memory
      bpe.encode(text, workspace, again);
      EXPECT_EQ(again, fast);
    }
  }
}

TEST(Bpe, UnusedTokensAreWrittenAsTheirHalves) {
  Vocabulary v;
  v.add("<unk>", TokenType::kUnknown, false);
  for (const char* s : {"a", "b", "c"}) v.add(s, TokenType::kNormal, true);
  v.add("ab", TokenType::kUnused, true);   // 4
  v.add("abc", TokenType::kNormal, true);  // 5, reached through the unused one
  const auto merges = merges_of_vocabulary(v, {0, 0, 0, 0, 1, 2}).merges;
  const Bpe bpe(v, merges, {}, {.byte_symbols = false, .unknown = 0});
  Bpe::Workspace w;
  std::vector<TokenId> out;
  bpe.encode("abcab", w, out);
  EXPECT_THAT(out, ElementsAre(5, 1, 2));
}

TEST(Bpe, CountsTheBytesThatNoTokenStandsFor) {
  Vocabulary v;
  for (const char* token : {"a", "b", "é"}) v.add(token, TokenType::kNormal, true);
  const Bpe bytes(v, {}, {}, {.byte_symbols = true});
  const Bpe characters(v, {}, {}, {.byte_symbols = false});
  const Bpe fallback(v, {}, {}, {.byte_symbols = false, .byte_fallback = true});
  for (const auto& [bpe, num_dropped] :
       {std::pair(&bytes, 5u), {&characters, 3u}, {&fallback, 3u}}) {
    Bpe::Workspace workspace;
    std::vector<TokenId> out;
    for (unsigned times = 1; times <= 3; ++times) {  // also when the piece was seen before
      bpe->encode("a模bé", workspace, out);
      EXPECT_EQ(workspace.num_dropped_bytes(), times * num_dropped);
    }
  }
}

TEST(Bpe, UnknownCharactersAreFusedOrNot) {
  Vocabulary v;
  v.add("<unk>", TokenType::kUnknown, false);
  v.add("a", TokenType::kNormal, true);
  for (const bool fuse : {false, true}) {
    const Bpe bpe(v, {}, {}, {.byte_symbols = false, .unknown = 0, .fuse_unknown = fuse});
    Bpe::Workspace w;
    std::vector<TokenId> out;
    bpe.encode("xa東京", w, out);
    if (fuse)
      EXPECT_THAT(out, ElementsAre(0, 1, 0));
    else
      EXPECT_THAT(out, ElementsAre(0, 1, 0, 0));
  }
}

// Tries every way to cut the text.
double best_score(const Vocabulary& v, const std::vector<double>& scores, std::string_view text) {
  if (text.empty()) return 0;
  double best = -1e30;
  for (std::size_t n = 1; n <= text.size(); ++n) {
    const TokenId t = v.find(text.substr(0, n));
    if (t != kNoToken)
      best = std::max(best,
                      scores[static_cast<std::size_t>(t)] + best_score(v, scores, text.substr(n)));
  }
  return best;
}

TEST(Unigram, FindsTheBestOfAllCuts) {
  RandomVocabulary random(3);
  UnigramOptions options;
  for (TokenId t = 0; t < random.vocabulary.size(); ++t)
    options.scores.push_back(-1.0 - static_cast<double>(random.chance() % 1000) / 100);
  options.unknown_score = -100;
  const Unigram unigram(random.vocabulary, options);
  for (int i = 0; i < 50; ++i) {
    const std::string text = random.text(14);
    std::vector<TokenId> tokens;
    unigram.encode(text, tokens);
    double score = 0;
    std::string spelled;
    for (const TokenId t : tokens) {
      score += options.scores[static_cast<std::size_t>(t)];
      spelled += random.vocabulary.bytes(t);
    }
    EXPECT_EQ(spelled, text);
    EXPECT_NEAR(score, best_score(random.vocabulary, options.scores, text), 1e-4);
  }
}

}  // namespace
}  // namespace pronk
