// Who holds which KV page, and which full pages can be used again for another prompt that begins
// alike.
//
// A page is in one of three places:
//   held      by `references` sequences;
//   free      by none, its contents forgotten;
//   reusable  by none, but published: a full page that find() still gives, until its memory is
//             needed. The one that was put down first goes first.
//
// A published page is known by its chain: the link of the page before it (or the namespace, for the
// first) and its 32 tokens, all compared exactly, so that nothing but the same text in the same
// namespace ever finds it. Links are never used twice. A sequence holds all pages before a page it
// holds, and puts its pages down from the last to the first: so a page never goes before those that
// follow it, and none is left unreachable.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ops/batch.h"
#include "pronk/types.h"

namespace pronk {

// Names what a page follows; 0: nothing, it is a text's first.
using PageLink = std::uint64_t;

// One thread (the engine's).
class PagePool {
 public:
  explicit PagePool(int num_pages);

  int num_pages() const { return static_cast<int>(pages_.size()); }
  int num_available() const { return static_cast<int>(free_.size() + reusable_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }

  // A page of one's own, references 1; empty when all are held.
  std::optional<int> take();
  void hold(int page);      // one reference more
  void put_down(int page);  // one reference less

  struct Found {
    int page;
    PageLink link;
  };
  // The page of these tokens after `before`; the caller holds it from then on.
  std::optional<Found> find(std::string_view cache_namespace, PageLink before,
                            std::span<const TokenId> tokens);
  // Makes a held, full page known. When another page of the same chain is known already, the caller
  // gets that one in exchange: it holds the same bits.
  Found publish(int page, std::string_view cache_namespace, PageLink before,
                std::span<const TokenId> tokens);

  int references(int page) const { return pages_[static_cast<std::size_t>(page)].references; }
  // Broken bookkeeping, in words, for tests; empty when all is well.
  std::string inconsistency() const;

 private:
  struct Chain {
    std::string cache_namespace;  // only where link is 0; later pages inherit it by their link
    PageLink before = 0;
    std::array<TokenId, kKvPageTokens> tokens{};
    bool operator==(const Chain&) const = default;
  };
  struct ChainHash {
    std::size_t operator()(const Chain& chain) const;
  };
  using Published = std::unordered_map<Chain, Found, ChainHash>;
  struct Page {
    int references = 0;
    const Chain* chain = nullptr;    // its key in published_
    std::list<int>::iterator place;  // in reusable_, while there
  };

  static Chain chain_of(std::string_view cache_namespace, PageLink before,
                        std::span<const TokenId> tokens);

  std::vector<Page> pages_;
  std::vector<int> free_;    // the last one is taken first: its memory is the warmest
  std::list<int> reusable_;  // the first one goes first
  Published published_;
  PageLink next_link_ = 1;
};

}  // namespace pronk
