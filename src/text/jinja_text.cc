#include "text/jinja_text.h"

#include <algorithm>

namespace pronk::jinja {

Text::Text(std::string bytes, bool own) : bytes_(std::move(bytes)) {
  if (own) mark_own(0, bytes_.size());
}

void Text::mark_own(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!own_.empty() && own_.back().end == begin)
    own_.back().end = end;
  else
    own_.push_back({begin, end});
}

void Text::append(std::string_view bytes, bool own) {
  const std::size_t begin = bytes_.size();
  bytes_ += bytes;
  if (own) mark_own(begin, bytes_.size());
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  const std::size_t base = bytes_.size();
  auto range = std::upper_bound(other.own_.begin(), other.own_.end(), begin,
                                [](std::size_t x, const ByteRange& r) { return x < r.end; });
  bytes_.append(other.bytes_, begin, end - begin);
  for (; range != other.own_.end() && range->begin < end; ++range)
    mark_own(base + std::max(range->begin, begin) - begin,
             base + std::min(range->end, end) - begin);
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text part;
  part.append(*this, begin, end);
  return part;
}

}  // namespace pronk::jinja
