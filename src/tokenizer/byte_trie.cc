#include "tokenizer/byte_trie.h"

namespace pronk {

ByteTrie::ByteTrie() : edges_(64), shift_(64 - 6) {}

bool ByteTrie::insert(std::string_view key, std::int32_t value) {
  std::uint32_t node = 0;
  Edge* last = nullptr;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    const Edge* edge = find(node, byte);
    last = edge ? &edges_[static_cast<std::size_t>(edge - edges_.data())]
                : &add_edge({node, num_edges_ + 1, kNoValue, byte});
    node = last->child;
  }
  if (!last) return false;
  begins_[static_cast<unsigned char>(key[0])] = true;
  if (last->value != kNoValue) return false;
  last->value = value;
  return true;
}

ByteTrie::Edge& ByteTrie::add_edge(const Edge& edge) {
  if (2 * std::size_t{++num_edges_} > edges_.size()) grow();
  std::size_t i = slot(edge.parent, edge.byte);
  while (edges_[i].child != 0) i = (i + 1) & (edges_.size() - 1);
  return edges_[i] = edge;
}

void ByteTrie::grow() {
  std::vector<Edge> old(2 * edges_.size());
  old.swap(edges_);
  --shift_;
  for (const Edge& edge : old) {
    if (edge.child == 0) continue;
    std::size_t i = slot(edge.parent, edge.byte);
    while (edges_[i].child != 0) i = (i + 1) & (edges_.size() - 1);
    edges_[i] = edge;
  }
}

}  // namespace pronk
