// A set of byte strings with a value each: which of them begin at a place in a text.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "pronk/types.h"
#include "tokenizer/vocabulary.h"

namespace pronk {

// Built by insert(), immutable afterwards. Edges lie in one hash table, keyed by (node, byte).
class ByteTrie {
 public:
  ByteTrie();

  // Returns whether the string is new: one that is already there keeps its value, and the empty
  // string is not kept.
  bool insert(std::string_view key, std::int32_t value);
  bool empty() const { return num_edges_ == 0; }
  bool may_begin(unsigned char byte) const { return begins_[byte]; }

  // Calls visit(length, value) for every key that text[position..] begins with, shortest first,
  // until it returns false.
  template <class Visit>
  void for_each_prefix(std::string_view text, std::size_t position, Visit&& visit) const {
    std::uint32_t node = 0;
    for (std::size_t i = position; i < text.size(); ++i) {
      const Edge* edge = find(node, static_cast<unsigned char>(text[i]));
      if (!edge) return;
      node = edge->child;
      if (edge->value != kNoValue && !visit(i + 1 - position, edge->value)) return;
    }
  }

 private:
  static constexpr std::int32_t kNoValue = INT32_MIN;
  struct Edge {
    std::uint32_t parent = 0;
    std::uint32_t child = 0;  // 0: an empty slot, for the root is nobody's child
    std::int32_t value = kNoValue;
    unsigned char byte = 0;
  };
  std::size_t slot(std::uint32_t parent, unsigned char byte) const {
    const std::uint64_t key = std::uint64_t{parent} << 8 | byte;
    return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15u >> shift_);
  }
  const Edge* find(std::uint32_t parent, unsigned char byte) const {
    for (std::size_t i = slot(parent, byte);; i = (i + 1) & (edges_.size() - 1)) {
      const Edge& edge = edges_[i];
      if (edge.child == 0) return nullptr;
      if (edge.parent == parent && edge.byte == byte) return &edge;
    }
  }
  Edge& add_edge(const Edge& edge);
  void grow();

  std::vector<Edge> edges_;  // a power of two, at most half full
  int shift_;                // 64 - log2(edges_.size())
  std::uint32_t num_edges_ = 0;
  bool begins_[256] = {};
};

}  // namespace pronk
