#include "text/utf8.h"
#include "tokenizer/tokenizer_impl.h"

namespace pronk {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_specials)
    : tokenizer_(tokenizer), skip_specials_(skip_specials) {}

std::string Detokenizer::push(TokenId token) {
  const Tokenizer::Impl& impl = *tokenizer_.impl_;
  if (!impl.parts().vocabulary.contains(token)) return {};
  if (skip_specials_ && impl.is_special(token)) return {};
  impl.append(token, at_start_, pending_);
  const std::size_t waiting = unfinished_utf8_bytes(pending_);
  std::string finished = pending_.substr(0, pending_.size() - waiting);
  pending_.erase(0, finished.size());
  return finished;
}

std::string Detokenizer::finish() { return std::exchange(pending_, {}); }

}  // namespace pronk
