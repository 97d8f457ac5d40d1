#include "engine/page_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/rng.h"
#include "pronk/result.h"

namespace pronk {

PagePool::PagePool(int num_pages) : pages_(static_cast<std::size_t>(num_pages)) {
  for (int page = num_pages - 1; page >= 0; --page) free_.push_back(page);
}

std::optional<int> PagePool::take() {
  if (free_.empty()) {
    if (reusable_.empty()) return std::nullopt;
    const int oldest = reusable_.front();
    reusable_.pop_front();
    Page& page = pages_[static_cast<std::size_t>(oldest)];
    published_.erase(published_.find(*page.chain));
    page.chain = nullptr;
    free_.push_back(oldest);
  }
  const int page = free_.back();
  free_.pop_back();
  pages_[static_cast<std::size_t>(page)].references = 1;
  return page;
}

void PagePool::hold(int page) {
  Page& p = pages_[static_cast<std::size_t>(page)];
  if (p.references == 0) {
    PRONK_CHECK(p.chain, "a page without references is held only if it is reusable");
    reusable_.erase(p.place);
  }
  ++p.references;
}

void PagePool::put_down(int page) {
  Page& p = pages_[static_cast<std::size_t>(page)];
  PRONK_CHECK(p.references > 0, "only a held page is put down");
  if (--p.references > 0) return;
  if (p.chain)
    p.place = reusable_.insert(reusable_.end(), page);
  else
    free_.push_back(page);
}

std::optional<PagePool::Found> PagePool::find(std::string_view cache_namespace, PageLink before,
                                              std::span<const TokenId> tokens) {
  const auto known = published_.find(chain_of(cache_namespace, before, tokens));
  if (known == published_.end()) return std::nullopt;
  hold(known->second.page);
  return known->second;
}

PagePool::Found PagePool::publish(int page, std::string_view cache_namespace, PageLink before,
                                  std::span<const TokenId> tokens) {
  Page& p = pages_[static_cast<std::size_t>(page)];
  PRONK_CHECK(p.references > 0, "only a held page is published");
  const auto [known, is_new] =
      published_.try_emplace(chain_of(cache_namespace, before, tokens), Found{page, next_link_});
  if (is_new) {
    PRONK_CHECK(!p.chain, "a page is published once");
    p.chain = &known->first;
    ++next_link_;
  } else if (known->second.page != page) {
    hold(known->second.page);
    put_down(page);
  }
  return known->second;
}

PagePool::Chain PagePool::chain_of(std::string_view cache_namespace, PageLink before,
                                   std::span<const TokenId> tokens) {
  PRONK_CHECK(tokens.size() == kKvPageTokens, "a chain is made of full pages");
  Chain chain;
  chain.before = before;
  if (before == 0) chain.cache_namespace = cache_namespace;
  std::copy(tokens.begin(), tokens.end(), chain.tokens.begin());
  return chain;
}

std::size_t PagePool::ChainHash::operator()(const Chain& chain) const {
  std::uint64_t hash = chain.before;
  if (chain.before == 0) hash = std::hash<std::string>()(chain.cache_namespace);
  for (const TokenId token : chain.tokens)
    hash = random_bits(hash, static_cast<std::uint64_t>(token));
  return hash;
}

std::string PagePool::inconsistency() const {
  std::size_t num_held = 0;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    num_held += pages_[i].references > 0;
    if (!pages_[i].chain) continue;
    const auto known = published_.find(*pages_[i].chain);
    if (known == published_.end() || known->second.page != static_cast<int>(i))
      return fmt::format("page {} thinks it is published", i);
  }
  for (const int page : reusable_) {
    const Page& p = pages_[static_cast<std::size_t>(page)];
    if (p.references != 0 || !p.chain) return fmt::format("page {} is not reusable", page);
  }
  for (const int page : free_) {
    const Page& p = pages_[static_cast<std::size_t>(page)];
    if (p.references != 0 || p.chain) return fmt::format("page {} is not free", page);
  }
  if (num_held + free_.size() + reusable_.size() != pages_.size())
    return fmt::format("{} held, {} free, {} reusable, of {} pages", num_held, free_.size(),
                       reusable_.size(), pages_.size());
  return "";
}

}  // namespace pronk
