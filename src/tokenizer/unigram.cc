#include "tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "text/utf8.h"

namespace pronk {

Unigram::Unigram(const Vocabulary& vocabulary, UnigramOptions options)
    : vocabulary_(vocabulary), options_(std::move(options)), byte_tokens_(256, kNoToken) {
  for (TokenId t = 0; t < vocabulary_.size(); ++t) {
    const TokenType type = vocabulary_.type(t);
    const std::string_view bytes = vocabulary_.bytes(t);
    if (bytes.empty()) continue;
    if (type == TokenType::kNormal || type == TokenType::kUserDefined)
      trie_.insert(bytes, t);
    else if (type == TokenType::kByte)
      byte_tokens_[static_cast<unsigned char>(bytes[0])] = t;
  }
}

void Unigram::encode(std::string_view text, std::vector<TokenId>& out) const {
  std::vector<Node> nodes(text.size() + 1);
  std::size_t furthest = 0;  // end that was reached
  const auto offer = [&](std::size_t begin, std::size_t length, TokenId token, double score) {
    Node& node = nodes[begin + length];
    const float candidate = static_cast<float>(score) + nodes[begin].score;
    if (node.begin == kUnreached || candidate > node.score) node = {candidate, token, begin};
    furthest = std::max(furthest, begin + length);
  };
  for (std::size_t i = 0; i < text.size();) {
    // Sums that begin anew keep the digits that tell near ties apart.
    constexpr float kLargestSum = 100'000;
    if (const float sum = nodes[i].score; std::abs(sum) > kLargestSum)
      for (std::size_t end = i; end <= furthest; ++end) nodes[end].score -= sum;
    const auto character = static_cast<std::size_t>(decode_utf8(text, i).length);
    bool has_character = false;
    trie_.for_each_prefix(text, i, [&](std::size_t length, TokenId token) {
      offer(i, length, token, options_.scores[static_cast<std::size_t>(token)]);
      has_character |= length == character;
      return true;
    });
    if (!has_character) offer(i, character, options_.unknown, options_.unknown_score);
    i += character;
  }

  std::vector<std::pair<std::size_t, TokenId>> path;  // (begin, token), last first
  for (std::size_t end = text.size(); end > 0; end = nodes[end].begin)
    path.emplace_back(nodes[end].begin, nodes[end].token);
  bool after_unknown = false;
  for (std::size_t i = path.size(); i-- > 0;) {
    const auto [begin, token] = path[i];
    const std::size_t end = i > 0 ? path[i - 1].first : text.size();
    const bool unknown = token == options_.unknown;
    if (unknown)
      write_unknown(text.substr(begin, end - begin), after_unknown, out);
    else
      out.push_back(token);
    after_unknown = unknown;
  }
}

bool Unigram::has_byte_tokens(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(), [&](char c) {
    return byte_tokens_[static_cast<unsigned char>(c)] != kNoToken;
  });
}

void Unigram::write_unknown(std::string_view bytes, bool after_unknown,
                            std::vector<TokenId>& out) const {
  if (options_.byte_fallback && has_byte_tokens(bytes)) {
    for (const char c : bytes) out.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
  } else if (!after_unknown) {
    out.push_back(options_.unknown);
  }
}

}  // namespace pronk
