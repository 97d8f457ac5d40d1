// Every sampler once more, the slow and plain way: probabilities in double, everything sorted.
#pragma once
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pronk/types.h"

namespace twin {

using pronk::TokenId;

struct Token {
  TokenId id;
  double logit;
  double p = 0;
};
using Tokens = std::vector<Token>;

inline void sort_and_weigh(Tokens& t) {
  std::sort(t.begin(), t.end(), [](const Token& a, const Token& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  double sum = 0;
  for (Token& x : t) sum += x.p = std::exp(x.logit - t[0].logit);
  for (Token& x : t) x.p /= sum;
}

inline Tokens from_row(const std::vector<float>& row) {
  Tokens t;
  for (std::size_t i = 0; i < row.size(); ++i)
    if (std::isfinite(row[i])) t.push_back({static_cast<TokenId>(i), row[i]});
  sort_and_weigh(t);
  return t;
}

inline void top_k(Tokens& t, int k) {
  if (static_cast<std::size_t>(k) < t.size()) t.resize(static_cast<std::size_t>(k));
}

inline void top_p(Tokens& t, double p) {
  sort_and_weigh(t);
  double sum = 0;
  std::size_t n = 0;
  do sum += t[n++].p;
  while (n < t.size() && sum < p);
  t.resize(n);
}

inline void min_p(Tokens& t, double p) {
  sort_and_weigh(t);
  std::erase_if(t, [&, most = t[0].p](const Token& x) { return x.p < p * most; });
}

inline void typical(Tokens& t, double p) {
  sort_and_weigh(t);
  double entropy = 0;
  for (const Token& x : t)
    if (x.p > 0) entropy -= x.p * std::log(x.p);
  std::stable_sort(t.begin(), t.end(), [&](const Token& a, const Token& b) {
    return std::fabs(-std::log(a.p) - entropy) < std::fabs(-std::log(b.p) - entropy);
  });
  double sum = 0;
  std::size_t n = 0;
  do sum += t[n++].p;
  while (n < t.size() && sum <= p);
  t.resize(n);
}

inline void xtc(Tokens& t, double threshold) {
  sort_and_weigh(t);
  const auto above =
      std::count_if(t.begin(), t.end(), [&](const Token& x) { return x.p >= threshold; });
  if (above >= 2) t.erase(t.begin(), t.begin() + above - 1);
}

inline void mirostat(Tokens& t, double mu) {
  sort_and_weigh(t);
  std::size_t n = 1;
  while (n < t.size() && -std::log2(t[n].p) <= mu) ++n;
  t.resize(n);
}

// The repetitions that end each text, found by comparing at every place.
inline std::map<TokenId, double> dry(const std::vector<TokenId>& text, double multiplier,
                                     double base, int allowed, int reach) {
  std::map<TokenId, int> longest;
  const int n = static_cast<int>(text.size());
  for (int end = 0; end + 1 < n; ++end) {  // a copy of the text's end may stop at `end`
    int length = 0;
    while (length <= end && length < reach &&
           text[static_cast<std::size_t>(end - length)] ==
               text[static_cast<std::size_t>(n - 1 - length)])
      ++length;
    if (length < allowed) continue;
    int& most = longest[text[static_cast<std::size_t>(end + 1)]];
    most = std::max(most, length);
  }
  std::map<TokenId, double> penalty;
  for (const auto& [token, length] : longest)
    penalty[token] = multiplier * std::pow(base, length - allowed);
  return penalty;
}

inline std::vector<TokenId> ids(const Tokens& t) {
  std::vector<TokenId> out;
  for (const Token& x : t) out.push_back(x.id);
  std::sort(out.begin(), out.end());
  return out;
}

// Rows like a model's: a few high logits over a broad floor; some with ties, some with bans.
inline std::vector<float> random_row(std::mt19937& rng, int vocab_size) {
  std::normal_distribution<float> noise(0, 1);
  const float spread = std::uniform_real_distribution<float>(0.1f, 6)(rng);
  const bool ties = rng() % 3 == 0;
  const bool bans = rng() % 3 == 0;
  std::vector<float> row(static_cast<std::size_t>(vocab_size));
  for (float& x : row) {
    x = noise(rng) * spread;
    if (ties) x = std::round(x);
    if (bans && rng() % 4 == 0) x = -INFINITY;
  }
  row[rng() % row.size()] = spread * 2;
  return row;
}

}  // namespace twin
