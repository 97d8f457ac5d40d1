// A Python string of a template: UTF-8 bytes, and which of them the template itself wrote.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pronk/types.h"

namespace pronk::jinja {

// Bytes written by the template's own text and literals are "own"; every copy keeps the mark. What
// variables brought, and what filters make up (JSON punctuation, digits, padding), is not own.
class Text {
 public:
  Text() = default;
  explicit Text(std::string bytes, bool own = false);

  const std::string& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  // Ascending, disjoint, no two of them touching.
  const std::vector<ByteRange>& own_ranges() const { return own_; }

  void append(std::string_view bytes, bool own = false);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, std::size_t begin, std::size_t end);
  Text slice(std::size_t begin, std::size_t end) const;

  std::pair<std::string, std::vector<ByteRange>> release() && {
    return {std::move(bytes_), std::move(own_)};
  }

 private:
  void mark_own(std::size_t begin, std::size_t end);
  std::string bytes_;
  std::vector<ByteRange> own_;
};

// Asks for the mark of ascending positions in turn.
class OwnCursor {
 public:
  explicit OwnCursor(const Text& text) : ranges_(text.own_ranges()) {}
  bool at(std::size_t position) {
    while (next_ < ranges_.size() && ranges_[next_].end <= position) ++next_;
    return next_ < ranges_.size() && ranges_[next_].begin <= position;
  }

 private:
  const std::vector<ByteRange>& ranges_;
  std::size_t next_ = 0;
};

}  // namespace pronk::jinja
