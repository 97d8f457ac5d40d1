// Against llama.cpp's own samplers: tests/golden/samplers.txt, made by tools/compare_samplers.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "base/rng.h"
#include "sampling/filters.h"
#include "sampling/penalties.h"

namespace pronk {
namespace {

// random_row() of compare_samplers.py.
std::vector<float> golden_row(std::uint64_t seed, int size, float spread) {
  std::vector<float> row;
  for (int i = 0; i < size; ++i) {
    const std::uint64_t bits = random_bits(seed, static_cast<std::uint64_t>(i));
    int sum = -1536;
    for (int shift : {10, 20, 30}) sum += static_cast<int>((bits >> shift) & 1023);
    row.push_back(static_cast<float>(sum) * spread / 256);
  }
  return row;
}

struct Case {
  std::string name;
  std::vector<double> parameters;
  std::vector<float> row;
  std::vector<TokenId> text;
  std::string answer;
};

Case parse(const std::string& line) {
  std::vector<std::string> parts;
  std::stringstream whole(line);
  for (std::string part; std::getline(whole, part, '|');) parts.push_back(part);
  Case c;
  std::stringstream(parts.at(0)) >> c.name;
  std::stringstream parameters(parts[0].substr(c.name.size()));
  for (double x; parameters >> x;) c.parameters.push_back(x);
  std::uint64_t seed = 0;
  int size = 0;
  float spread = 0;
  std::stringstream(parts.at(1)) >> seed >> size >> spread;
  c.row = golden_row(seed, size, spread);
  std::stringstream text(parts.at(2));
  for (TokenId t; text >> t;) c.text.push_back(t);
  c.answer = parts.at(3);
  return c;
}

void check_filter(const Case& c) {
  std::vector<float> row = c.row;
  Candidates left;
  left.load(row, *std::max_element(row.begin(), row.end()));
  const double p = c.parameters.at(0);
  if (c.name == "top_k") keep_top_k(left, static_cast<int>(p));
  if (c.name == "top_p") keep_top_p(left, p);
  if (c.name == "min_p") keep_min_p(left, p);
  if (c.name == "typical") keep_typical(left, p);
  if (c.name == "xtc") keep_xtc(left, p);
  if (c.name == "mirostat") keep_mirostat(left, p);
  std::vector<TokenId> want;
  std::stringstream answer(c.answer);
  for (TokenId t; answer >> t;) want.push_back(t);
  left.make_list();
  std::vector<TokenId> found;
  for (std::size_t i = 0; i < left.size(); ++i) found.push_back(left.id(i));
  EXPECT_EQ(found, want);
}

void check_changes(const Case& c) {
  SamplingParams p;
  std::vector<float> row = c.row;
  if (c.name == "penalties") {
    p.repeat_penalty = c.parameters.at(0);
    p.presence_penalty = c.parameters.at(1);
    p.frequency_penalty = c.parameters.at(2);
    p.repeat_last_n = static_cast<int>(c.parameters.at(3));
    PenaltyWindow window(p);
    for (const TokenId t : c.text) window.accept(t);
    window.apply(row);
  } else {
    p.dry_multiplier = c.parameters.at(0);
    p.dry_base = c.parameters.at(1);
    p.dry_allowed_length = static_cast<int>(c.parameters.at(2));
    p.dry_penalty_last_n = static_cast<int>(c.parameters.at(3));
    DryWindow window(p, {});
    for (const TokenId t : c.text) window.accept(t);
    window.apply(row);
  }
  std::vector<float> want = c.row;
  std::stringstream answer(c.answer);
  char colon;
  float logit;
  for (std::size_t t; answer >> t >> colon >> logit;) want.at(t) = logit;
  for (std::size_t t = 0; t < row.size(); ++t)
    EXPECT_NEAR(row[t], want[t], 1e-5 * std::max(1.0f, std::fabs(want[t]))) << "token " << t;
}

TEST(LlamaCpp, ItsSamplersLeaveTheSameCandidates) {
  std::ifstream in(std::string(PRONK_SOURCE_DIR) + "/tests/golden/samplers.txt");
  std::map<std::string, int> seen;
  for (std::string line; std::getline(in, line);) {
    SCOPED_TRACE(line);
    const Case c = parse(line);
    ++seen[c.name];
    if (c.name == "penalties" || c.name == "dry")
      check_changes(c);
    else
      check_filter(c);
  }
  ASSERT_EQ(seen.size(), 8u);
  for (const auto& [name, count] : seen) EXPECT_EQ(count, 12) << name;
}

}  // namespace
}  // namespace pronk
